import { basename, dirname, extname, join } from 'node:path'
import type { Batch } from '../store/store.js'

/**
 * Where an export goes when nobody says: `<catalog>.tagged.<ext>` beside the catalog, or
 * `<batch name>.tagged.<ext>` in the current directory when there was no file.
 */
export function defaultExportPath(
  batch: Pick<Batch, 'catalogPath' | 'delimiter' | 'name'>,
  format: 'csv' | 'jsonl',
): string {
  // The export of a gzipped catalog is not packed.
  const catalogPath = batch.catalogPath?.replace(/\.gz$/i, '') ?? null
  if (catalogPath === null) return `${plainName(batch.name)}.tagged.${extension('', batch.delimiter, format)}`
  const ending = extname(catalogPath)
  return join(
    dirname(catalogPath),
    `${basename(catalogPath, ending)}.tagged.${extension(ending.slice(1), batch.delimiter, format)}`,
  )
}

/** The catalog's own ending where it names the format, so that tools which know the one know the other. */
function extension(ending: string, delimiter: string | null, format: 'csv' | 'jsonl'): string {
  const known = format === 'csv' ? ['csv', 'tsv', 'tab', 'txt'] : ['jsonl', 'ndjson']
  if (known.includes(ending.toLowerCase())) return ending
  if (format === 'jsonl') return 'jsonl'
  return delimiter === '\t' ? 'tsv' : 'csv'
}

/** A batch may be called anything; a file name has no slashes, control characters or leading dots. */
function plainName(name: string): string {
  const plain = name.replace(/[/\\\p{Cc}]+/gu, '-').replace(/^\.+/, '')
  return plain === '' || plain === '-' ? 'batch' : plain
}
