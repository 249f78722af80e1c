import { createRequire } from 'node:module'
import { ConfigurationError, errorCode, UnreachableError } from '../../domain/errors.js'
import { lockHolder } from './lock-holder.js'

/**
 * Translates an error of the file into a message, if SQLite's code blames the machine and not the
 * program. Any other error is a bug and is returned unchanged.
 */
export function storeError(error: unknown, path: string): unknown {
  const message = messageFor(errorCode(error), path)
  return message === null ? error : new UnreachableError(message, { code: 'store_unusable', cause: error })
}

/** Where several extended codes share a message, it shows the code: it tells an unreadable sector from a full quota. */
function messageFor(code: string, path: string): string | null {
  if (code.startsWith('SQLITE_BUSY') || code.startsWith('SQLITE_LOCKED')) return lockedSentence(path)
  if (code === 'SQLITE_FULL')
    return `The disk that holds the store ${path} is full. Saved data is not lost. Free some space and try again.`
  if (code === 'SQLITE_IOERR_SHORT_READ' || code === 'SQLITE_IOERR_SHMMAP' || code === 'SQLITE_IOERR_SHMSIZE')
    return `The store ${path} or its log (-wal, -shm) is shorter than expected (${code}). Stop everything that uses it (\`trackyard-batch down\`) and try again. If that does not help, restore a backup.`
  if (code.startsWith('SQLITE_IOERR'))
    return `The store ${path} cannot be read or written (${code}). Its disk, quota or connection fails. Check the system log and try again.`
  if (code === 'SQLITE_READONLY_DBMOVED')
    return `The store ${path} was moved or deleted while it was in use. Put it back.`
  if (code.startsWith('SQLITE_READONLY'))
    return `The store ${path} cannot be written (${code}). Check that its file system is not mounted read-only, and the owner and the permissions of the file and its directory.`
  if (code.startsWith('SQLITE_CANTOPEN') || code === 'SQLITE_PERM' || code === 'SQLITE_AUTH')
    return `The store ${path} cannot be opened (${code}). Check that the file and its directory exist, and their owner and permissions.`
  if (isDamage(code)) return damageSentence(path, code)
  return null
}

function lockedSentence(path: string): string {
  const holder = lockHolder(path)
  const who = holder === null ? '' : ` (pid ${holder.pid}, ${holder.program}${holder.isSuspended ? ', suspended' : ''})`
  const remedy = holder?.isSuspended
    ? `Continue it with \`kill -CONT ${holder.pid}\`, or end it.`
    : 'Stop that process, or wait.'
  return `The store ${path} was locked by another process for too long${who}. ${remedy} It is safe to try again.`
}

export function isDamage(code: string): boolean {
  return code.startsWith('SQLITE_CORRUPT') || code === 'SQLITE_NOTADB'
}

/** Ends with the recovery options, since a restart does not help. */
export function damageSentence(path: string, what: string): string {
  return `The store ${path} is damaged (${what}). ${WAYS_OUT}`
}

export const WAYS_OUT =
  'Stop everything (`trackyard-batch down`) and keep a copy of the file. Then restore a backup, or save what can be read with `sqlite3 FILE .recover`: docs/backup.md says how.'

/**
 * better-sqlite3 is compiled for one version of Node, one system and one processor. If it cannot be
 * loaded, a restart does not help: the message names the cause and the command to run.
 * @returns null: the error has another cause
 */
export function driverError(error: unknown): ConfigurationError | null {
  if (!(error instanceof Error)) return null
  // The original message only lists thirteen places where the compiled file is missing.
  if (error.message.startsWith('Could not locate the bindings file'))
    return new ConfigurationError(
      `${DRIVER} was not built: its install script did not run (--ignore-scripts, or pnpm without approval). ${remedy('approve')}`,
    )
  if (errorCode(error) !== 'ERR_DLOPEN_FAILED') return null
  return new ConfigurationError(`${DRIVER} ${whyNotLoaded(error.message)}. ${remedy('rebuild')}`, { cause: error })
}

const DRIVER = 'better-sqlite3, which reads and writes the store,'

function whyNotLoaded(message: string): string {
  const [built] = [...message.matchAll(/NODE_MODULE_VERSION (\d+)/g)].map((match) => match[1])
  return built === undefined
    ? `cannot be loaded on this machine (${process.platform} ${process.arch}: ${message.split('\n')[0]}). It was built for another system, processor or C library, or its file is damaged`
    : `was built for another version of Node (module version ${built}; this is Node ${process.version}, ${process.versions.modules})`
}

function remedy(what: 'approve' | 'rebuild'): string {
  const { directory, pnpm } = installation()
  const command = pnpm
    ? what === 'approve'
      ? '`pnpm approve-builds`, choose better-sqlite3, then `pnpm rebuild better-sqlite3`'
      : '`pnpm rebuild better-sqlite3`'
    : '`npm rebuild better-sqlite3`'
  return `Run ${command} in ${directory}.`
}

/**
 * The directory and the package manager of the installation. pnpm keeps packages in
 * node_modules/.pnpm.
 */
function installation(): { readonly directory: string; readonly pnpm: boolean } {
  const path = createRequire(import.meta.url)
    .resolve('better-sqlite3')
    .replaceAll('\\', '/')
  const pnpm = path.indexOf('/node_modules/.pnpm/')
  if (pnpm >= 0) return { directory: path.slice(0, pnpm), pnpm: true }
  return { directory: path.slice(0, path.lastIndexOf('/node_modules/')), pnpm: false }
}
