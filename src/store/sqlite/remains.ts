import { existsSync, readdirSync, statSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { ConfigurationError } from '../../domain/errors.js'
import { isKept, rescuedCopy, UNSAVED_ENDS } from '../kept-files.js'

/** The files that a lost store left behind. A new, empty store in its place would hide them. */
export function refuseBesideRemains(path: string): void {
  const remains = remainsOf(path)
  if (remains.length === 0) return
  const rescued = remains.filter((name) => isKept(name, path, rescuedCopy(path)))
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
  const isLog = (file: string) => file === `${basename(path)}-wal` && statSync(join(directory, file)).size > 0
  return readdirSync(directory)
    .filter((file) => isLog(file) || isKept(file, path, rescuedCopy(path)) || isKept(file, path, UNSAVED_ENDS))
    .sort()
}
