import { extname } from 'node:path'
import { UsageError } from '../domain/errors.js'
import { shellWord } from './source.js'

/**
 * What kind of catalog this is: by the file's name where that is clear, else by its first characters.
 * The delimiter is the one that the header line holds most of, outside quotation marks; a header
 * without any is a catalog of one column.
 */
export function sniffFormat(name: string, head: string): 'csv' | 'jsonl' {
  switch (extname(name).toLowerCase()) {
    case '.csv':
    case '.tsv':
    case '.tab':
      return 'csv'
    case '.jsonl':
    case '.ndjson':
    case '.json':
      return requireNoArray(name, head)
    default:
      return /^\s*(\{|\[\s*[{\]])/.test(head) ? requireNoArray(name, head) : 'csv'
  }
}

function requireNoArray(name: string, head: string): 'jsonl' {
  if (!/^\s*\[/.test(head) || beginsWithListLine(head)) return 'jsonl'
  throw new UsageError(
    `${name}: expected one JSON object per line, found a JSON array. Convert it: jq -c '.[]' ${shellWord(name)} > rows.jsonl`,
  )
}

/** A list on a line of its own, with more behind it, is one bad row; else the whole file is one array. */
function beginsWithListLine(head: string): boolean {
  const [first, ...rest] = head.trim().split('\n')
  if (rest.length === 0) return false
  try {
    JSON.parse(first ?? '')
    return true
  } catch {
    return false
  }
}

const DELIMITERS = [',', ';', '\t', '|']

export function sniffDelimiter(name: string, head: string): string {
  const counts = new Map<string, number>()
  let quoted = false
  for (const character of head) {
    if (character === '"') quoted = !quoted
    else if (!quoted && character === '\n' && counts.size > 0) break
    else if (!quoted && DELIMITERS.includes(character)) counts.set(character, (counts.get(character) ?? 0) + 1)
    else if (!quoted && character === '\n') break
  }
  const usual = /\.(tsv|tab)$/i.test(name) ? '\t' : ','
  return [...counts].sort(([a, m], [b, n]) => n - m || Number(b === usual) - Number(a === usual))[0]?.[0] ?? usual
}
