import { isLosslessNumber } from 'lossless-json'
import { decodeText } from './input/encodings.js'

/**
 * Characters that a query or an id must not have: control characters and lone surrogates. They are never
 * meant, and no log or table should show them. White space is allowed: a query folds it.
 */
const UNPRINTABLE = /[\p{Cc}\p{Cs}]/u

/**
 * Trims white space and NUL bytes, with which some programs pad columns of a fixed width. Reads `="0012"` as
 * 0012: some programs write text this way so that Excel does not read it as a number.
 */
export function plainText(text: string): string {
  const trimmed = text.trim()
  const plain = trimmed.includes('\0') ? trimmed.replace(/^[\s\0]+|[\s\0]+$/g, '') : trimmed
  return plain.startsWith('="') ? plain.replace(TEXT_FORMULA, (_, inner: string) => inner.replaceAll('""', '"')) : plain
}

const TEXT_FORMULA = /^="((?:[^"]|"")*)"$/

/** Describes the first character that a query or an id must not have; null: none. */
export function unprintable(text: string): string | null {
  if (!UNPRINTABLE.test(text)) return null
  const character = UNPRINTABLE.exec(text.replace(/\s/gu, ' '))?.[0]
  if (character === undefined) return null
  const code = character.charCodeAt(0)
  const name = `U+${code.toString(16).toUpperCase().padStart(4, '0')}`
  if (code >= 0xd800) return `half of a character (${name}, a surrogate without its partner)`
  if (code >= 0x80) {
    const meant = decodeText(Buffer.from([code]), 'windows-1252')
    const likely = meant === '\uFFFD' ? '' : ` (${meant} in windows-1252)`
    return `the control character ${name}${likely}: was the text converted from the wrong encoding?`
  }
  return `the control character ${name}`
}

/** Whether there is anything to search for besides white space, zero-width characters and separators. */
export function hasSearchableText(text: string): boolean {
  return /[^\s\p{Z}\p{Cf}\p{Default_Ignorable_Code_Point},;|]/u.test(text)
}

/** A value as text; numbers keep their digits. Null: it is an object, or a list with an object or a list in it. */
export function textOf(value: unknown): string | null {
  switch (typeof value) {
    case 'string':
      return value
    case 'number':
    case 'boolean':
      return String(value)
    default: {
      if (value === null || value === undefined) return ''
      if (!Array.isArray(value)) return scalarText(value)
      const texts = value.map((entry) => (Array.isArray(entry) ? null : textOf(entry)))
      return texts.includes(null) ? null : texts.join(', ')
    }
  }
}

/** Source: MongoDB Extended JSON v2; each is a scalar in an object of one key. */
const EXTENDED = ['$oid', '$uuid', '$symbol', '$numberInt', '$numberLong', '$numberDouble', '$numberDecimal', '$date']

/** A text or a number as text, also if MongoDB has wrapped it (`{"$oid": "64b0"}`). Null: it is neither. */
export function scalarText(value: unknown): string | null {
  if (typeof value === 'string') return value
  if (typeof value === 'number') return String(value)
  if (isLosslessNumber(value)) return value.value
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return null
  const [entry, ...others] = Object.entries(value)
  return entry !== undefined && others.length === 0 && EXTENDED.includes(entry[0]) ? scalarText(entry[1]) : null
}
