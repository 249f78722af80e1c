import { foundInstead } from './file-error.js'
import type { Reading } from './readers.js'
import { readSmallFile } from './small-file.js'

/**
 * A secret from a file, as secret mounts provide it. Trailing white space, such as an editor's
 * newline, is removed.
 * @param name of the setting, for messages
 */
export function readSecretFile<T>(
  path: string,
  name: string,
  read: (text: string) => Reading<T>,
): { readonly value: T } | { readonly problem: string } {
  // After a forgotten quotation mark the value contains other settings, perhaps the key.
  if (/\p{Cc}/u.test(path))
    return { problem: 'expected the path of a file on one line, found several lines (not shown)' }
  let text: string
  try {
    text = readSmallFile(path).trimEnd()
  } catch (error) {
    const at = path.length <= 200 ? path : `${path.slice(0, 199)}…`
    return { problem: `expected a file that holds the value of ${name}, found ${foundInstead(error)} at ${at}` }
  }
  if (text === '') return { problem: `expected a file that holds the value of ${name}, found an empty one at ${path}` }
  const result = read(text)
  if ('value' in result) return { value: result.value }
  return { problem: `expected ${result.expected} in ${path}, found something else (not shown)` }
}
