import { extname } from 'node:path'

/**
 * What kind of catalog this is: by the file's name where that is clear, else by its first characters.
 */
export function sniffFormat(name: string, head: string): 'csv' | 'jsonl' {
  switch (extname(name).toLowerCase()) {
    case '.csv':
    case '.tsv':
    case '.tab':
      // No header begins like a JSON object with its first key.
      return /^\s*\[?\s*\{\s*"[^"\n]*"\s*:/.test(head) ? 'jsonl' : 'csv'
    case '.jsonl':
    case '.ndjson':
    case '.json':
      return 'jsonl'
    default:
      return /^\s*(\{|\[\s*[{\]])/.test(head) ? 'jsonl' : 'csv'
  }
}
