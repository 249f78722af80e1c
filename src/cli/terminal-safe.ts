/** A control character, and what makes it a colour. */
const CONTROL = /\p{Cc}(\[\d{1,2}m)?/gu

/**
 * What a catalog, a server or a command line says may hold escape sequences, which move a cursor or rename
 * a window: of all control characters only line ends and tabs reach a terminal, the rest is shown as �.
 * @param isPainted our own colours stay
 */
export function terminalSafe(text: string, isPainted = false): string {
  return text.replace(CONTROL, (found, colour: string | undefined) => {
    if (found[0] === '\n' || found[0] === '\t') return found
    return isPainted && colour !== undefined && found[0] === '\u001B' ? found : `\uFFFD${colour ?? ''}`
  })
}
