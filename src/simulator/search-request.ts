export interface ReceivedSearch {
  /** The parsed JSON, or the raw text if it is not JSON. */
  readonly body: unknown
  /** Empty when there is none. */
  readonly query: string
  readonly limit: number
  readonly offset: number
  readonly filters: Readonly<Record<string, unknown>>
  readonly canonical: string
  /** Why the API refuses it; null: it is valid. */
  readonly problem: string | null
}

/** API document, POST /search. */
const DEFAULT_LIMIT = 20

/**
 * Parses and checks the body of POST /search, and reduces it to one canonical text per search. The canonical
 * form is independent of the client's fingerprint, so that a mistake there shows here as a search paid twice.
 */
export function readSearch(text: string): ReceivedSearch {
  const body = parse(text)
  const problem = problemWith(body)
  if (!isRecord(body)) {
    return { body: body ?? text, query: '', limit: DEFAULT_LIMIT, offset: 0, filters: {}, canonical: text, problem }
  }
  const query = typeof body.query === 'string' ? body.query : ''
  const limit = typeof body.limit === 'number' ? body.limit : DEFAULT_LIMIT
  const offset = typeof body.offset === 'number' ? body.offset : 0
  const filters = isRecord(body.filters) ? body.filters : {}
  return { body, query, limit, offset, filters, canonical: canonicalText(query, limit, offset, filters), problem }
}

function canonicalText(query: string, limit: number, offset: number, filters: Record<string, unknown>): string {
  const words = query.normalize('NFC').replace(/\s+/gu, ' ').trim()
  const wanted = Object.keys(filters).length === 0 ? '' : ` ${sortedText(filters)}`
  return `${words} [${limit}+${offset}]${wanted}`
}

function sortedText(value: unknown): string {
  if (Array.isArray(value)) return `[${[...new Set(value.map(sortedText))].sort().join()}]`
  if (!isRecord(value)) return JSON.stringify(value)
  const fields = Object.keys(value).sort()
  return `{${fields.map((name) => `${JSON.stringify(name)}:${sortedText(value[name])}`).join()}}`
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function problemWith(body: unknown): string | null {
  if (body === undefined) return 'Malformed JSON'
  if (!isRecord(body)) return 'The body must be an object'
  if (typeof body.query !== 'string' || body.query.trim() === '') return 'query is required'
  if (body.limit !== undefined && !isNumberIn(body.limit, 1, 100)) return 'limit must be between 1 and 100'
  if (body.offset !== undefined && !isNumberIn(body.offset, 0, Number.MAX_SAFE_INTEGER)) {
    return 'offset must be a number, 0 or more'
  }
  if (body.filters === undefined) return null
  if (!isRecord(body.filters)) return 'filters must be an object'
  return problemWithFilters(body.filters)
}

/** Undocumented filters are accepted without a check. */
function problemWithFilters(filters: Record<string, unknown>): string | null {
  const { genres, moods, has_vocals, min_bpm, max_bpm } = filters
  if (genres !== undefined && !isTextList(genres)) return 'filters.genres must be an array of strings'
  if (moods !== undefined && !isTextList(moods)) return 'filters.moods must be an array of strings'
  if (has_vocals !== undefined && typeof has_vocals !== 'boolean') return 'filters.has_vocals must be a boolean'
  if (min_bpm !== undefined && !isNumberIn(min_bpm, 40, 200)) return 'filters.min_bpm must be between 40 and 200'
  if (max_bpm !== undefined && !isNumberIn(max_bpm, 40, 200)) return 'filters.max_bpm must be between 40 and 200'
  return null
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isTextList(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((entry) => typeof entry === 'string')
}

function isNumberIn(value: unknown, min: number, max: number): value is number {
  return typeof value === 'number' && Number.isFinite(value) && value >= min && value <= max
}
