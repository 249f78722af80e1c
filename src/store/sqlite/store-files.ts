import { type BigIntStats, fstatSync, readdirSync, readlinkSync, statSync } from 'node:fs'
import { errorCode, UnreachableError } from '../../domain/errors.js'
import type { WritePurpose } from '../engine.js'
import { isDamage, storeError, WAYS_OUT } from './explain-error.js'

export interface StoreFiles {
  readonly path: string
  /** Remembers the files now at the path as the store's. Called once SQLite has opened them all. */
  remember(pageBytes: () => number): void
  /**
   * Checks again. Null: all is well. After a recoverable loss (a moved file, permissions) it
   * returns to null.
   */
  loss(): StoreLoss | null
  /**
   * @throws UnreachableError for any loss, so that nothing new starts. What must be kept is refused only if the file is
   * damaged: a deleted, moved or replaced one can still be written, and rescued.
   */
  refuseIfLost(purpose?: WritePurpose): void
  /** Translates the error into a message. Remembers the damage, if the error reports any. */
  explain(error: unknown): unknown
  /** Reports damage that a check has found. */
  reportDamage(what: string): void
}

type Found = Pick<StoreLoss, 'kind' | 'what'>

interface Opened {
  readonly main: BigIntStats
  readonly beside: readonly { readonly path: string; readonly stats: BigIntStats }[]
  readonly pageBytes: () => number
}

const OWNER_READS_AND_WRITES = 0o600n

/**
 * Checks that the files that SQLite has open are still the store. SQLite keeps writing to a deleted
 * or replaced file, and every answer paid for from then on would be lost with the process. So
 * device and inode of the store, its log (`-wal`) and its index (`-shm`) are compared with those of
 * the open files before every claim and every commit. That takes three `stat` calls, 5 µs together.
 *
 * This opens no file: closing any descriptor of a file drops all locks that SQLite holds on it.
 */
export function openStoreFiles(path: string): StoreFiles {
  let opened: Opened | null = null
  let size = 0n
  let damage: Found | null = null
  let since: number | null = null

  function look(): Found | null {
    if (opened === null || damage !== null) return damage
    const now = statSync(path, { bigint: true, throwIfNoEntry: false })
    if (now === undefined || !isSame(now, opened.main)) return describeAbsence(opened, path, now !== undefined)
    const found = differenceBeside(opened, now, path)
    if (found !== null) return found
    damage = truncation(opened, now)
    return damage
  }

  /** Only a VACUUM shrinks the file, and then the missing pages are in the log. */
  function truncation({ pageBytes }: Opened, now: BigIntStats): Found | null {
    const hasShrunk = now.size < size
    size = now.size
    if (!hasShrunk) return null
    const log = statSync(`${path}-wal`, { bigint: true, throwIfNoEntry: false })?.size ?? 0n
    const isWhole = now.size > 0n && BigInt(pageBytes()) - now.size <= log
    return isWhole ? null : { kind: 'damaged', what: `The store ${path} was cut off at ${now.size} bytes` }
  }

  function loss(): StoreLoss | null {
    const found = lookOrExplain()
    if (found === null) {
      since = null
      return null
    }
    since ??= Date.now()
    return { ...found, since }
  }

  function lookOrExplain(): Found | null {
    try {
      return look()
    } catch (error) {
      explain(error)
      const code = errorCode(error)
      return damage ?? { kind: 'unreachable', what: `The store ${path} cannot be reached (${code})` }
    }
  }

  function explain(error: unknown): unknown {
    const code = errorCode(error)
    if (opened !== null && isDamage(code))
      damage ??= { kind: 'damaged', what: `The store ${path} is damaged (${code})` }
    return storeError(error, path)
  }

  return {
    path,
    remember(pageBytes) {
      const main = statSync(path, { bigint: true })
      const beside = [`${path}-wal`, `${path}-shm`].flatMap((name) => {
        const stats = statSync(name, { bigint: true, throwIfNoEntry: false })
        return stats === undefined ? [] : [{ path: name, stats }]
      })
      size = main.size
      opened = { main, beside, pageBytes }
    },
    loss,
    explain,
    refuseIfLost(purpose = 'change') {
      const found = loss()
      if (found === null || (purpose === 'must be kept' && found.kind !== 'damaged')) return
      throw new UnreachableError(lossSentence(found, path, { kind: 'by a worker' }), { code: 'store_unusable' })
    },
    reportDamage(what) {
      damage ??= { kind: 'damaged', what: `The store ${path} is damaged (${what})` }
    },
  }
}

/** @param now of the store's file */
function differenceBeside(opened: Opened, now: BigIntStats, path: string): Found | null {
  if ((opened.main.mode & ~now.mode & OWNER_READS_AND_WRITES) !== 0n) {
    const mode = (now.mode & 0o777n).toString(8).padStart(3, '0')
    return {
      kind: 'permissions',
      what: `The permissions of the store ${path} do not allow reading and writing any more (${mode})`,
    }
  }
  for (const { path: name, stats } of opened.beside) {
    const beside = statSync(name, { bigint: true, throwIfNoEntry: false })
    if (beside === undefined) return { kind: 'log', what: `The log of the store was deleted while in use (${name})` }
    if (!isSame(beside, stats)) return { kind: 'log', what: `The log of the store was replaced while in use (${name})` }
  }
  return null
}

function describeAbsence({ main }: Opened, path: string, isReplaced: boolean): Found {
  if (isReplaced) return { kind: 'replaced', what: `Another file was put in the place of the store ${path}` }
  const place = placeOfOpenFile(main)
  if (place === null) return { kind: 'deleted', what: `The store ${path} was deleted while in use` }
  return { kind: 'moved', what: `The store ${path} was moved away${place === '' ? '' : ` (to ${place})`}` }
}

/**
 * The new name of the open file. Empty: it has one, but it is unknown. Null: it has none, or the
 * system does not tell.
 */
function placeOfOpenFile(main: BigIntStats): string | null {
  for (const descriptor of descriptors()) {
    try {
      const stats = fstatSync(descriptor, { bigint: true })
      if (isSame(stats, main)) return stats.nlink === 0n ? null : nameOf(descriptor)
    } catch {
      // The descriptor was closed after it was listed.
    }
  }
  return null
}

function descriptors(): number[] {
  try {
    return readdirSync('/dev/fd').map(Number)
  } catch {
    return []
  }
}

/** Linux only. */
function nameOf(descriptor: number): string {
  try {
    return readlinkSync(`/proc/self/fd/${descriptor}`)
  } catch {
    return ''
  }
}

function isSame(one: BigIntStats, other: BigIntStats): boolean {
  return one.ino === other.ino && one.dev === other.dev
}

/** How an open store was lost. */
export interface StoreLoss {
  readonly kind: StoreLossKind
  /** Epoch milliseconds. */
  readonly since: number
  /** What happened. What to do next depends on what could be rescued: see `lossSentence`. */
  readonly what: string
}

export type StoreLossKind =
  /** The open file was deleted. */
  | 'deleted'
  /** Another file is at its path. */
  | 'replaced'
  /** The open file was renamed. */
  | 'moved'
  /** Its `-wal` or `-shm` was deleted or replaced. */
  | 'log'
  /** Truncated or overwritten: SQLite can no longer read it. */
  | 'damaged'
  | 'permissions'
  | 'unreachable'

/** What happened to the data that only this process has. */
export type Rescued =
  | { readonly kind: 'not yet' }
  /** A worker will make the copy. */
  | { readonly kind: 'by a worker' }
  | { readonly kind: 'copied'; readonly path: string }
  | { readonly kind: 'folded in' }
  | { readonly kind: 'failed'; readonly reason: string }

/** What happened, whether the answers are safe, what to do next. */
export function lossSentence(loss: StoreLoss, path: string, rescued: Rescued): string {
  switch (loss.kind) {
    case 'deleted':
      return `${loss.what}. ${saved(rescued, path)}`
    case 'replaced':
      return `${loss.what}. ${saved(rescued, path)} Or restart to use the new file: searches that were answered only in the old one would be paid for again.`
    case 'moved':
      return `${loss.what}. Move that file back to ${path}, and its -wal and -shm files to the same directory. Move the files one by one, not the directory they are in. Calls then continue by themselves.`
    case 'log':
      return rescued.kind === 'copied'
        ? `${loss.what}. ${saved(rescued, path)}`
        : `${loss.what}. Let no other program open the store. Stop everything with \`trackyard-batch down\`, not with a kill, and start again. That loses nothing.`
    case 'damaged':
      return `${loss.what}. ${WAYS_OUT}${rescued.kind === 'copied' ? ` A sound copy was saved in ${rescued.path}.` : ''}`
    case 'permissions':
      return `${loss.what}. Restore them (\`chmod 600 ${path}\`). Calls then continue by themselves.`
    case 'unreachable':
      return `${loss.what}. Check its directory, its permissions and its disk. Calls continue by themselves once it is back.`
    default:
      return loss.kind satisfies never
  }
}

function saved(rescued: Rescued, path: string): string {
  switch (rescued.kind) {
    case 'copied':
      return `Everything in it, paid answers included, is saved in ${rescued.path}. To continue with that copy: \`trackyard-batch down\`, remove ${path}-wal and ${path}-shm, rename that file to ${path}, start again.`
    case 'failed':
      return `Its data is still open in this process, but could not be copied (${rescued.reason}). Free disk space or fix the permissions; the copy is retried. Do not kill this process.`
    case 'by a worker':
      return 'A running worker copies its data to a trackyard.rescued-….db beside it and logs when it is done. Stop the worker with `trackyard-batch down`, not with a kill, rename that file, start again (docs/backup.md).'
    case 'not yet':
    case 'folded in':
      return 'Its data is still open in this process, and is copied beside it once the calls in flight have ended. Do not kill this process.'
    default:
      return rescued satisfies never
  }
}
