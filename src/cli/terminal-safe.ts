/** A control character, with the rest of a colour sequence if there is one. */
const CONTROL = /\p{Cc}(\[\d{1,2}m)?/gu

/**
 * Text from a catalog, a server or a command line may contain escape sequences, which can move the
 * cursor or rename the window. Of all control characters only newlines and tabs are kept; others
 * become �.
 * @param isPainted keep colours, which are ours
 */
export function terminalSafe(text: string, isPainted = false): string {
  return text.replace(CONTROL, (found, colour: string | undefined) => {
    if (found[0] === '\n' || found[0] === '\t') return found
    return isPainted && colour !== undefined && found[0] === '\u001B' ? found : `\uFFFD${colour ?? ''}`
  })
}
