import { UnreachableError } from '../domain/errors.js'
import type { Connection } from './connection.js'

/**
 * A commit to disk costs milliseconds however much it contains, so all changes of one event loop
 * turn share one. Each runs in its own savepoint: a bug in one rolls back only that one. A change
 * resolves only once the commit is on disk. If the commit fails, all of its changes reject.
 */
export interface GroupCommit {
  /** Runs the change in the next shared transaction. Rejects with what it threw, or `UnreachableError` when the commit failed. */
  add<T>(change: () => T): Promise<T>
  /** Commits what has arrived so far. */
  flush(): void
}

interface Entry {
  /**
   * Makes the change. Returns the callback that resolves its promise, for use once it is on disk.
   */
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
  const callbacks: (() => void)[] = []
  try {
    connection.begin('write')
    for (const entry of group) {
      try {
        callbacks.push(connection.savepoint(() => entry.run()))
      } catch (error) {
        // A full disk may have rolled back the whole transaction: then every change fails.
        if (!connection.inTransaction() || connection.files.explain(error) instanceof UnreachableError) throw error
        callbacks.push(() => entry.reject(error))
      }
    }
    connection.commit()
  } catch (error) {
    connection.rollback()
    const reason = connection.files.explain(error)
    for (const entry of group) entry.reject(reason)
    return
  }
  for (const callback of callbacks) callback()
}
