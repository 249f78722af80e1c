import { UnreachableError } from '../domain/errors.js'
import type { Connection } from './connection.js'

/**
 * A commit to disk costs milliseconds however much is in it, so all changes that arrive in one turn of the
 * event loop share one. Each runs in a savepoint of its own: a bug in one undoes that one alone. Nobody is
 * told "done" before the commit is on disk, and when it fails nobody is.
 */
export interface GroupCommit {
  /** Runs the change in the next shared transaction. Rejects with what it threw, or `UnreachableError` when the commit failed. */
  add<T>(change: () => T): Promise<T>
  /** Commits what has arrived so far. */
  flush(): void
}

interface Entry {
  /** Does the change; returns what tells the caller, once it is on disk. */
  run(): () => void
  reject(error: unknown): void
}

export function groupCommit(connection: Connection): GroupCommit {
  let arrived: Entry[] = []

  function flush(): void {
    const group = arrived
    arrived = []
    if (group.length > 0) commitTogether(connection, group)
  }

  return {
    flush,
    add: (change) =>
      new Promise((resolve, reject) => {
        if (arrived.length === 0) setImmediate(flush)
        arrived.push({
          run: () => {
            const result = change()
            return () => resolve(result)
          },
          reject,
        })
      }),
  }
}

function commitTogether(connection: Connection, group: readonly Entry[]): void {
  const tell: (() => void)[] = []
  try {
    connection.begin('write')
    for (const entry of group) {
      try {
        tell.push(connection.savepoint(() => entry.run()))
      } catch (error) {
        // A full disk may have undone the whole transaction: then it is everybody's error.
        if (!connection.inTransaction() || connection.files.explain(error) instanceof UnreachableError) throw error
        tell.push(() => entry.reject(error))
      }
    }
    connection.commit()
  } catch (error) {
    connection.rollback()
    const reason = connection.files.explain(error)
    for (const entry of group) entry.reject(reason)
    return
  }
  for (const inform of tell) inform()
}
