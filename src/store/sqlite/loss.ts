import { WAYS_OUT } from './errors.js'

/** How an open store was lost. */
export interface Loss {
  readonly kind: LossKind
  /** Epoch milliseconds. */
  readonly since: number
  /** What happened. What to do next depends on what could be rescued: see `sentenceFor`. */
  readonly what: string
}

export type LossKind =
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
export function sentenceFor(loss: Loss, path: string, rescued: Rescued): string {
  switch (loss.kind) {
    case 'deleted':
      return `${loss.what}. ${saved(rescued, path)}`
    case 'replaced':
      return `${loss.what}. ${saved(rescued, path)} Or restart to use the new file: searches that were answered only in the old one would be paid for again.`
    case 'moved':
      return `${loss.what}. Move it back, together with its -wal and -shm. Calls then continue by themselves.`
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
