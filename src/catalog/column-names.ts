import { didYouMean } from '../domain/did-you-mean.js'
import { UsageError } from '../domain/errors.js'
import { type CatalogWords, FILE_WORDS } from './catalog.js'
import { GUARD_COLUMN } from './formula-cell.js'

/** A name as people see it: composed characters, single spaces, no invisible characters. */
export function foldName(name: string): string {
  if (/^[!-~]*$/.test(name)) return name
  return name
    .normalize('NFC')
    .replace(/[\p{Cf}\0]/gu, '')
    .replace(/\s+/gu, ' ')
    .trim()
}

/** A name for each column: folded, or as written if two columns fold to the same name. */
export function columnNames(columns: readonly string[]): readonly string[] {
  const folded = columns.map(foldName)
  return columns.map((column, index) => {
    const name = folded[index] ?? ''
    return folded.indexOf(name) === folded.lastIndexOf(name) ? name : column.trim()
  })
}

/**
 * @param where what names the column, for the message: "The query template", "--id"
 * @throws UsageError if no column has that name, or more than one
 */
export function requireCsvColumn(name: string, names: readonly string[], where: string): number {
  const matches = indexesOf(names, (known) => known === name.trim())
  const folded = foldName(name)
  const found = matches.length > 0 ? matches : indexesOf(names, (known) => foldName(known) === folded)
  const [only, second] = folded === '' ? [] : found
  if (only === undefined) {
    const hint = ' If the header is on a later line of the file, say so: --header-row N.'
    throw noSuchColumnError(name.trim(), names, where, { hint })
  }
  if (second === undefined) return only
  throw new UsageError(
    `${where} names the column "${name.trim()}", which the catalog has ${found.length} times ` +
      `(columns ${found.map((index) => index + 1).join(' and ')}). Rename all but one of them in the header.`,
  )
}

export function noSuchColumnError(
  name: string,
  known: readonly string[],
  where: string,
  { words = FILE_WORDS, hint = '' }: { readonly words?: CatalogWords; readonly hint?: string } = {},
): UsageError {
  const named = known.filter((each) => each !== '')
  const near = didYouMean(name, named)
  const guess = near === null ? '' : ` Did you mean "${near}"?`
  return new UsageError(
    `${where} names the ${words.column} "${name}", ${words.isMissing}.${guess} ${columnListText(named, words)}${hint}`,
  )
}

function indexesOf(names: readonly string[], matches: (name: string) => boolean): number[] {
  return [...names.keys()].filter((index) => matches(names[index] ?? ''))
}

export function columnListText(known: readonly string[], words: CatalogWords): string {
  const named = known.filter((name) => name !== '')
  const more = named.length > 30 ? `, … (${named.length} in all)` : ''
  return `The ${words.columns} are: ${named.slice(0, 30).join(', ')}${more}.`
}

/** The prefix of all columns that an export adds. */
export const EXPORT_PREFIX = 'trackyard_'

/** Why a row is dead or invalid. */
export const ERROR_COLUMN = `${EXPORT_PREFIX}error`

/** Those that every CSV export adds, in their order. */
export const OUR_COLUMNS = [
  'status',
  'genre',
  'subgenres',
  'moods',
  'instruments',
  'bpm',
  'key',
  'energy_level',
  'has_vocals',
  'track_ids',
  'top_track_id',
  'top_track_title',
  'top_track_artist',
  'error',
].map((name) => EXPORT_PREFIX + name)

const ADDED = new Set([...OUR_COLUMNS, GUARD_COLUMN])

/** Whether an earlier export has added this column. A new export replaces it. */
export function isExportColumn(column: string): boolean {
  return ADDED.has(column.trim())
}
