import type { Catalog, RawRow } from './catalog.js'

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
