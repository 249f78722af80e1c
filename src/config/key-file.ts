import { foundInstead } from './file-error.js'
import type { Reader } from './readers.js'
import type { Secret } from './secret.js'
import { readSmallFile } from './small-file.js'

/** The key from a file, as secret mounts provide it; white space at its end (an editor's newline) is not part of it. */
export function readKeyFile(path: string, reader: Reader<Secret>): { key: Secret } | { problem: string } {
  // Behind a forgotten quotation mark stand other settings, the key perhaps among them.
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
  const result = reader.safeParse(text)
  if (result.success) return { key: result.data }
  return { problem: `expected ${result.error.issues[0]?.message} in ${path}, found something else (not shown)` }
}
