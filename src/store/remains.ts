import { existsSync, readdirSync, statSync } from 'node:fs'
import { basename, dirname, extname, join } from 'node:path'
import { ConfigurationError } from '../domain/errors.js'

/** In the name of a copy that was rescued (see rescue.ts). */
export const COPY_MARK = '.rescued-'

/** What lies beside a store that is gone: a new, empty one in its place would hide that. */
export function refuseBesideRemains(path: string): void {
  const remains = remainsOf(path)
  if (remains.length === 0) return
  const rescued = remains.filter((name) => name.includes(COPY_MARK))
  const next =
    rescued.length > 0
      ? `${rescued.at(-1)} holds all that it held: remove ${path}-wal and -shm if they are there, rename it to ${path}, start again.`
      : 'Restore a backup (docs/backup.md).'
  throw new ConfigurationError(
    `The store ${path} is gone, but ${remains.join(', ')} of it is still there. ${next} To begin a new store, move these files elsewhere.`,
  )
}

/** Names of what a store left beside it: its log, copies that were rescued, ends of calls that it did not take. */
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
