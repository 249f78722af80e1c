import { foundInstead } from './file-error.js'
import type { Reader } from './readers.js'
import type { Secret } from './secret.js'
import { readSmallFile } from './small-file.js'

/**
 * The API key from a file, as secret mounts provide it. Trailing white space, such as an editor's
 * newline, is removed.
 */
export function readKeyFile(path: string, reader: Reader<Secret>): { key: Secret } | { problem: string } {
  // After a forgotten quotation mark the value contains other settings, perhaps the key.
  if (/\p{Cc}/u.test(path))
    return { problem: 'expected the path of a file on one line, found several lines (not shown)' }
  let text: string
  try {
    text = readSmallFile(path).trimEnd()
  } catch (error) {
    const at = path.length <= 200 ? path : `${path.slice(0, 199)}…`
    return { problem: `expected a file that holds the API key, found ${foundInstead(error)} at ${at}` }
  }
  if (text === '') return { problem: `expected a file that holds the API key, found an empty one at ${path}` }
  const result = reader(text)
  if ('value' in result) return { key: result.value }
  return { problem: `expected ${result.expected} in ${path}, found something else (not shown)` }
}
