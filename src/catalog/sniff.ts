import { extname } from 'node:path'

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
      return 'jsonl'
    default:
      return /^\s*(\{|\[\s*[{\]])/.test(head) ? 'jsonl' : 'csv'
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
