import { decodedText } from './encodings.js'

/**
 * What a query or an id may be made of. Control characters and halves of a character are in no question, and
 * no log or table should show them. White space is no problem: a query folds it.
 */
const UNPRINTABLE = /[\p{Cc}\p{Cs}]/u

/** Without white space and NUL bytes around it: programs with columns of a fixed width fill them up with NUL bytes. */
export function plainText(text: string): string {
  const trimmed = text.trim()
  return trimmed.includes('\0') ? trimmed.replace(/^[\s\0]+|[\s\0]+$/g, '') : trimmed
}

/** The first character in it that no query and no id holds, described; null: none. */
export function unprintable(text: string): string | null {
  if (!UNPRINTABLE.test(text)) return null
  const character = UNPRINTABLE.exec(text.replace(/\s/gu, ' '))?.[0]
  if (character === undefined) return null
  const code = character.charCodeAt(0)
  const name = `U+${code.toString(16).toUpperCase().padStart(4, '0')}`
  if (code >= 0xd800) return `half of a character (${name}, a surrogate without its partner)`
  if (code >= 0x80) {
    const meant = decodedText(Buffer.from([code]), 'windows-1252')
    const likely = meant === '\uFFFD' ? '' : ` (${meant} in windows-1252)`
    return `the control character ${name}${likely}: was the text converted from the wrong encoding?`
  }
  return `the control character ${name}`
}
