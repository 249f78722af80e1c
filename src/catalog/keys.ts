import type { Catalog, RawRow } from './catalog.js'
import { repeatedKeys } from './json.js'

/**
 * Every row of a JSON catalog brings its own keys, so one that the first rows lack is no mistake yet: only
 * behind the last row it is known that no row has it.
 */
export interface WatchedKeys {
  see(row: RawRow): void
  /** Those that no row had so far. */
  missing(): readonly string[]
}

export function watchKeys(catalog: Pick<Catalog, 'names'>, needed: readonly string[]): WatchedKeys {
  const missing = new Set(needed.filter((name) => !catalog.names.includes(name)))
  return {
    see(row) {
      if (missing.size === 0 || row.kind !== 'object') return
      for (const name of missing) if (Object.hasOwn(row.value, name)) missing.delete(name)
    },
    missing: () => [...missing],
  }
}

/**
 * A key that the row has twice, with different values, is a problem where it is used: nobody can know which one
 * is meant.
 */
export function repeatedKey(row: RawRow, used: readonly string[]): string | null {
  if (row.kind !== 'object') return null
  const { text } = row
  if (!used.some((name) => isThereTwice(text, JSON.stringify(name))) && !ESCAPED_KEY.test(text)) return null
  const repeated = repeatedKeys(text)
  const name = used.find((each) => repeated.has(each))
  return name === undefined ? null : `expected one value for the key "${name}", found two`
}

/** A key may be written in another way, such as "\u0069d". */
const ESCAPED_KEY = /"[^"\\]*\\[^"]*"\s*:/

function isThereTwice(text: string, quoted: string): boolean {
  const first = text.indexOf(quoted)
  return first !== -1 && text.includes(quoted, first + 1)
}
