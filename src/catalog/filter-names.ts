import { didYouMean } from '../domain/did-you-mean.js'
import type { LoadedRow } from '../domain/loaded-row.js'

/**
 * The API document's list of filters is known to be incomplete, so every name is passed on. One that is nearly a
 * documented name is probably that name misspelt, and would be noticed only in the morning, when all is paid.
 */
const DOCUMENTED = ['genres', 'moods', 'has_vocals', 'min_bpm', 'max_bpm']

/** One sentence for each name that was probably meant to be another. */
export function filterDoubts(names: Iterable<string>): readonly string[] {
  const doubts: string[] = []
  for (const name of names) {
    const near = DOCUMENTED.includes(name) ? null : didYouMean(name, DOCUMENTED)
    if (near !== null) doubts.push(`The API documents no filter "${name}": did you mean ${near}? It is sent as it is.`)
  }
  return doubts
}

/** The rows as they come; the names of their filters are added to `names`. */
export async function* notingFilters(
  rows: AsyncIterable<LoadedRow>,
  names: Set<string>,
): AsyncGenerator<LoadedRow, void, undefined> {
  for await (const row of rows) {
    for (const name of Object.keys(row.request?.request.filters ?? {})) names.add(name)
    yield row
  }
}
