import { isRecord } from '../domain/is-record.js'

/** A JSON object whose fields may be anything. */
export type Fields = Readonly<Record<string, unknown>>

/** @returns null for everything that is not a JSON object */
export function parseObject(text: string): Fields | null {
  try {
    return asFields(JSON.parse(text.startsWith('\uFEFF') ? text.slice(1) : text))
  } catch {
    return null
  }
}

export function asFields(value: unknown): Fields | null {
  return isRecord(value) ? value : null
}

/** A whole number of at least 0, given as a number or a string; null for everything else. */
export function asCount(value: unknown): number | null {
  const number = typeof value === 'string' && /^\d{1,15}$/.test(value) ? Number(value) : value
  return typeof number === 'number' && Number.isSafeInteger(number) && number >= 0 ? number : null
}
