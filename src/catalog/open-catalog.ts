import { extname } from 'node:path'
import { NEVER_ABORTED } from '../domain/abortable.js'
import { CatalogError } from '../domain/errors.js'
import { type Catalog, FILE_WORDS } from './catalog.js'
import { type CsvOptions, checkCsvOptions, openCsv } from './csv/open-csv.js'
import { requireCatalog } from './input/not-catalog.js'
import { type CatalogSource, openSource } from './input/source.js'
import { openText } from './input/text.js'
import { openJson } from './json/open-json.js'
import { readOnce } from './row-chunks.js'

export interface CatalogOptions extends CsvOptions {
  /** Default: detected from the file's name, or from the first characters. */
  readonly format?: 'csv' | 'jsonl' | undefined
  /** A name such as "windows-1251". Default: that of the byte order mark, else UTF-8. */
  readonly encoding?: string | undefined
}

/**
 * Opens the user's file and detects what can be known before the rows are read: its encoding, its format, its
 * delimiter, its columns, and that it has at least one row. Anything that is not a catalog is refused here,
 * with its kind and the next step, before anything is written to the store.
 * @param signal closes the file
 * @throws CatalogError when the source is not a catalog; UsageError for options that no catalog can have
 */
export async function openCatalog(
  source: CatalogSource,
  options: CatalogOptions = {},
  signal: AbortSignal = NEVER_ABORTED,
): Promise<Catalog> {
  checkCsvOptions(options)
  const { name, chunks, close } = await openSource(source, signal)
  try {
    const text = await openText(chunks, name, options.encoding)
    const head = text.head.subarray(0, 64 * 1024).toString('utf8')
    if (head === '') throw new CatalogError(`${name}: expected a catalog, found an empty file.`)
    if (head.trim() === '') throw new CatalogError(`${name}: expected a catalog, found only white space.`)
    requireCatalog(head, name)
    const plainName = name.replace(/\.gz$/i, '')
    const opened =
      (options.format ?? sniffFormat(plainName, head)) === 'csv'
        ? await openCsv(text, name, options)
        : await openJson(text, name)
    const { byteOrderMark } = text
    return {
      name,
      words: FILE_WORDS,
      byteOrderMark,
      ...opened,
      notes: [...text.notes, ...opened.notes],
      rows: readOnce(opened.chunks, close),
      close,
    }
  } catch (error) {
    close()
    throw error
  }
}

/**
 * Detects the format from the file's name, or from its first characters if the name does not say.
 */
function sniffFormat(name: string, head: string): 'csv' | 'jsonl' {
  switch (extname(name).toLowerCase()) {
    case '.csv':
    case '.tsv':
    case '.tab':
      // No CSV header begins like a JSON object with its first key.
      return /^\s*\[?\s*\{\s*"[^"\n]*"\s*:/.test(head) ? 'jsonl' : 'csv'
    case '.jsonl':
    case '.ndjson':
    case '.json':
      return 'jsonl'
    default:
      return /^\s*(\{|\[\s*[{\]])/.test(head) ? 'jsonl' : 'csv'
  }
}
