import { isRecord, parseJson } from '../domain/json.js'
import type { Refusal } from '../domain/outcome.js'

/** Null: the body has none. The message of a page that is not from the API is its title, or how its text begins. */
export type ErrorBody = Omit<Refusal, 'status'>

const LONGEST_TEXT = 500
const NOTHING: ErrorBody = { error: null, code: null, message: null, requestId: null }

/**
 * Parses the body of an error. Two shapes are documented, `{error, message}` and `{error, code}`. A proxy in
 * between may send HTML, plain text or nothing. Texts are returned on one line, without control characters
 * (terminals show them), and cut to 500 characters.
 */
export function readErrorBody(body: string): ErrorBody {
  const value = parseJson(body)
  if (!isRecord(value)) return { ...NOTHING, message: foreignText(body) }
  const inner = isRecord(value.error) ? value.error : {}
  return {
    error: text(value.error) ?? text(inner.message) ?? text(inner.type),
    code: text(value.code) ?? text(inner.code),
    message: text(value.message) ?? text(value.detail),
    requestId: text(value.request_id) ?? text(value.requestId) ?? text(inner.request_id),
  }
}

/** One line of at most 500 characters without control characters; null when nothing is left. */
export function oneLine(raw: string): string | null {
  const line = raw.replace(/[\p{Cc}\s]+/gu, ' ').trim()
  if (line === '') return null
  return line.length <= LONGEST_TEXT ? line : `${line.slice(0, LONGEST_TEXT - 1).replace(/[\uD800-\uDBFF]$/, '')}…`
}

/** The title of an HTML page says more than its first words. Tags are dropped. */
function foreignText(body: string): string | null {
  const start = body.slice(0, 20_000)
  if (!/<[a-z!/]/i.test(start)) return oneLine(start)
  const title = /<title[^>]*>([^<]{1,300})/i.exec(start)?.[1]
  const page = start.replace(/<(style|script|head)\b[\s\S]*?(<\/\1>|$)/gi, ' ').replace(/<[^>]*>?/g, ' ')
  return oneLine(title ?? '') ?? oneLine(page)
}

function text(value: unknown): string | null {
  if (typeof value === 'number' || typeof value === 'boolean') return String(value)
  return typeof value === 'string' ? oneLine(value) : null
}
