import { basename, dirname, extname, join } from 'node:path'
import { LONGEST_LABEL } from '../../domain/label.js'
import type { Batch } from '../../store/store.js'

/** "catalogs/night.csv", "night.csv.gz" → "night" */
export function defaultBatchName(catalogPath: string): string {
  return stemOf(catalogPath)
    .replace(/\p{Cc}+/gu, ' ')
    .slice(0, LONGEST_LABEL)
    .trim()
}

/**
 * The default path of an export: `<catalog>.tagged.<ext>` beside the catalog, `<catalog>.<batch name>.tagged.<ext>` if
 * the batch has a name of its own, or `<batch name>.tagged.<ext>` in the current directory if there was no file.
 * @param id stands before `.tagged`
 */
export function defaultExportPath(
  batch: Pick<Batch, 'catalogPath' | 'delimiter' | 'name'>,
  format: 'csv' | 'jsonl',
  id?: number,
): string {
  const ending = batch.catalogPath === null ? '' : extname(withoutGzip(batch.catalogPath)).slice(1)
  return defaultPath(batch, id, `tagged.${extension(ending, batch.delimiter, format)}`)
}

export function defaultReportPath(batch: Pick<Batch, 'catalogPath' | 'name'>, id?: number): string {
  return defaultPath(batch, id, 'report.html')
}

/** Batches of one catalog differ in their names. */
function defaultPath(
  { catalogPath, name }: Pick<Batch, 'catalogPath' | 'name'>,
  id: number | undefined,
  ending: string,
): string {
  const end = id === undefined ? ending : `${id}.${ending}`
  if (catalogPath === null) return `${plainName(name)}.${end}`
  const ownName = name === defaultBatchName(catalogPath) ? '' : `.${plainName(name)}`
  return join(dirname(catalogPath), `${stemOf(catalogPath)}${ownName}.${end}`)
}

function stemOf(catalogPath: string): string {
  const plain = withoutGzip(catalogPath)
  return basename(plain, extname(plain))
}

/** The export of a gzipped catalog is not compressed. */
function withoutGzip(path: string): string {
  return path.replace(/\.gz$/i, '')
}

/** The catalog's own extension if it fits the format, so that the same programs open both files. */
function extension(ending: string, delimiter: string | null, format: 'csv' | 'jsonl'): string {
  const known = format === 'csv' ? ['csv', 'tsv', 'tab', 'txt'] : ['jsonl', 'ndjson']
  if (known.includes(ending.toLowerCase())) return ending
  if (format === 'jsonl') return 'jsonl'
  return delimiter === '\t' ? 'tsv' : 'csv'
}

/** A batch may have any name; a file name has no slashes, control characters or leading dots. */
function plainName(name: string): string {
  const plain = name.replace(/[/\\\p{Cc}]+/gu, '-').replace(/^\.+/, '')
  return plain === '' || plain === '-' ? 'batch' : plain
}
