import { CatalogError } from '../../domain/errors.js'
import { parseJson } from '../../domain/json.js'
import { shellWord } from '../input/source.js'
import { splitStrings } from './exact-json.js'
import { createScanner } from './json-scanner.js'

/**
 * How a JSON catalog is laid out. `lines`: one object a line (JSON Lines). `list`: one list of objects.
 * `values`: objects one after another, each over several lines.
 */
type JsonShape = 'lines' | 'list' | 'values'

/** @param head the beginning of the text */
export function jsonShape(head: string): JsonShape {
  const text = head.trimStart()
  const end = text.indexOf('\n')
  const firstLine = end === -1 ? text : text.slice(0, end)
  const isOneLine = text.slice(firstLine.length).trim() === ''
  // A list on its own line, with more lines after it, is one bad row, unless it contains objects.
  if (text.startsWith('[')) return !isOneLine && isJson(firstLine) && !firstLine.includes('{') ? 'lines' : 'list'
  if (!text.startsWith('{') || isOneLine || isJson(firstLine)) return 'lines'
  const found = createScanner(0, true).scan(text)
  // An object that begins on the first line and ends on a later one. One with a mistake in it is one bad line.
  return found.kind === 'more' || (found.kind === 'end' && isJson(text.slice(0, found.at))) ? 'values' : 'lines'
}

function isJson(text: string): boolean {
  return parseJson(text) !== undefined
}

/**
 * Where an object has its list of objects, as a path such as `.data.items`; null: nowhere.
 * @param text the object, or its beginning
 */
export function listPath(text: string): string | null {
  const keys: string[] = []
  let key = ''
  for (const part of splitStrings(text)) {
    if (part[0] === '"') {
      key = part
      continue
    }
    if (/^\s*:\s*\[\s*\{/.test(part)) return [...keys, key].map(pathOf).join('')
    for (const character of part) {
      if (character === '{') keys.push(key)
      else if (character === '}') keys.pop()
    }
  }
  return null
}

/** The error for a file that is one object with the rows in a list inside it. */
export function listInObjectError(name: string, path: string): CatalogError {
  return new CatalogError(
    `${name}: expected a list of JSON objects, or one object per line, found one object that holds a list under ${path}. ` +
      `Convert it: jq -c '${path}[]' ${shellWord(name)} > rows.jsonl`,
  )
}

/** As jq writes it. The outermost object has no key. */
function pathOf(key: string): string {
  if (key === '') return ''
  return /^"[A-Za-z_]\w*"$/.test(key) ? `.${key.slice(1, -1)}` : `[${key}]`
}
