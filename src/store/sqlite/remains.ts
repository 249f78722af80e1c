import { existsSync, readdirSync, statSync } from 'node:fs'
import { basename, dirname, extname, join } from 'node:path'
import { ConfigurationError } from '../../domain/errors.js'

/** In the name of a rescued copy (see rescue.ts). */
export const COPY_MARK = '.rescued-'

/** The files that a lost store left behind. A new, empty store in its place would hide them. */
export function refuseBesideRemains(path: string): void {
  const remains = remainsOf(path)
  if (remains.length === 0) return
  const rescued = remains.filter((name) => name.includes(COPY_MARK))
  const next =
    rescued.length > 0
      ? `${rescued.at(-1)} contains all its data. Remove ${path}-wal and ${path}-shm if they exist, rename ${rescued.at(-1)} to ${path} and start again.`
      : 'Restore a backup (docs/backup.md).'
  throw new ConfigurationError(
    `The store ${path} is gone, but ${remains.join(', ')} is still there. ${next} To begin a new store, move these files elsewhere.`,
  )
}

/**
 * Names of the files that a store leaves behind: its log, rescued copies, and ends of calls that it
 * could not store.
 */
export function remainsOf(path: string): string[] {
  const directory = dirname(path)
  if (!existsSync(directory)) return []
  const name = basename(path)
  const base = basename(path, extname(path))
  const isLog = (file: string) => file === `${name}-wal` && statSync(join(directory, file)).size > 0
  return readdirSync(directory)
    .filter(
      (file) =>
        isLog(file) || isKept(file, `${base}${COPY_MARK}`, extname(path)) || isKept(file, `${base}.unsaved-`, '.jsonl'),
    )
    .sort()
}

function isKept(file: string, beginning: string, ending: string): boolean {
  return file.startsWith(beginning) && file.endsWith(ending)
}
