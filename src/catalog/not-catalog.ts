import { UsageError } from '../domain/errors.js'

/** Texts that are no catalog, told by their beginning: pages, markup, and what a download leaves in place of a file. */
const KINDS: readonly { readonly pattern: RegExp; readonly kind: string; readonly advice: string }[] = [
  {
    pattern: /^version https:\/\/git-lfs\.github\.com\//,
    kind: 'a Git LFS pointer in place of the file',
    advice: 'Fetch the file itself: git lfs pull',
  },
  {
    pattern: /^<(?:!doctype\s+html|html|head|body|script|meta)\b/i,
    kind: 'a web page (HTML)',
    advice: 'Was it a download that asked for a login? Open it in a browser, and fetch the file itself.',
  },
  {
    pattern: /^<\?xml\b[\s\S]{0,4000}<plist\b/i,
    kind: 'a property list (an iTunes library?)',
    advice: 'Export the playlist as text, or the table of its tracks as CSV, and submit that.',
  },
  {
    pattern: /^<(?:\?xml\b|!--|!doctype|[a-z][\w.:-]*(?:\s[^<>]*)?\/?>\s*(?:<|\n|$))/i,
    kind: 'XML',
    advice: 'Export the table of its entries as CSV or JSON and submit that.',
  },
]

/**
 * @param head the beginning of the text
 * @throws UsageError when it is something else
 */
export function requireCatalog(head: string, name: string): void {
  const text = head.trimStart()
  for (const { pattern, kind, advice } of KINDS) {
    if (pattern.test(text)) throw new UsageError(`${name}: expected a catalog, found ${kind}. ${advice}`)
  }
  const error = errorAnswer(text)
  if (error === null) return
  throw new UsageError(
    `${name}: expected a catalog, found the error that a server answered (${error}). Fetch the file again.`,
  )
}

/** What an API says in place of a file: one object that holds an error and what belongs to one, and nothing else. */
const ERROR_KEYS = ['error', 'errors', 'error_description']
const OTHER_KEYS = ['message', 'code', 'status', 'statusCode', 'status_code', 'detail', 'details']
const MORE_KEYS = ['timestamp', 'request_id', 'requestId', 'documentation_url', 'success', 'ok']

function errorAnswer(text: string): string | null {
  if (!text.startsWith('{') || text.length > 10_000) return null
  const keys = keysOf(text)
  const known = [...ERROR_KEYS, ...OTHER_KEYS, ...MORE_KEYS]
  if (keys === null || keys.length === 0 || !keys.every((key) => known.includes(key))) return null
  const isError = keys.some((key) => ERROR_KEYS.includes(key)) || keys.includes('documentation_url')
  const isMessage = keys.includes('message') && keys.some((key) => /^(code|status.*)$/.test(key))
  if (!isError && !isMessage) return null
  const shown = text.trim().replace(/\s+/g, ' ')
  return shown.length <= 80 ? shown : `${shown.slice(0, 80)}…`
}

function keysOf(text: string): string[] | null {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? Object.keys(value) : null
  } catch {
    return null
  }
}
