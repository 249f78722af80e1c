import { UsageError } from '../domain/errors.js'
import type { CatalogWords } from './catalog.js'
import { listOf, requireCsvColumn } from './column-names.js'

/**
 * `"{title} {mood} music"`: text with the names of columns in braces; `{{` and `}}` are literal braces.
 * It is checked against the catalog's columns before a row is read.
 */
export interface Template {
  /** The text around the columns: one entry more than there are columns. */
  readonly texts: readonly string[]
  /** The columns in the order of their mention. */
  readonly names: readonly string[]
}

/**
 * @param isComplete the catalog has only these columns; a JSON row may have more
 * @throws UsageError for an unmatched brace, an unknown column, or no column at all
 */
export function parseTemplate(
  source: string,
  known: readonly string[],
  isComplete: boolean,
  words: CatalogWords,
): Template {
  const texts: string[] = []
  const names: string[] = []
  let text = ''
  for (const [part, name] of source.matchAll(/\{\{|\}\}|\{([^{}]*)\}|[{}]|[^{}]+/g)) {
    if (part === '{' || part === '}') throw looseBrace(source, part, words)
    if (name === undefined) {
      text += part === '{{' ? '{' : part === '}}' ? '}' : part
      continue
    }
    names.push(isComplete ? (known[requireCsvColumn(name, known, TEMPLATE)] ?? '') : name.trim())
    texts.push(text)
    text = ''
  }
  texts.push(text)
  if (names.length > 0) return { texts, names }
  throw new UsageError(
    `The query template ${JSON.stringify(source)} names no ${words.column}, so every row would ask the same question. ` +
      `Put names of ${words.columns} in braces, such as "{${known[0] ?? 'title'}} music". ${listOf(known, words)}`,
  )
}

/** How messages refer to the template. */
export const TEMPLATE = 'The query template'

function looseBrace(source: string, brace: string, { column }: CatalogWords): UsageError {
  return new UsageError(
    `The query template ${JSON.stringify(source)} has a ${brace} without its partner. ` +
      `Write {${column}} for a ${column} and ${brace}${brace} for the brace itself.`,
  )
}
