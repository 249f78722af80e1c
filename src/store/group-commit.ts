import { UnreachableError } from '../domain/errors.js'
import type { Connection, Transaction } from './connection.js'

/**
 * A commit to disk costs milliseconds however much it contains, so all changes of one event loop
 * turn share one, and those that arrive while it runs share the next. Each runs in its own
 * savepoint: a bug in one rolls back only that one. A change resolves only once the commit is on
 * disk. If the commit fails, all of its changes reject.
 */
export interface GroupCommit {
  /** Runs the change in the next shared transaction. Rejects with what it threw, or `UnreachableError` when the commit failed. */
  add<T>(change: (tx: Transaction) => Promise<T>): Promise<T>
  /** Commits what has arrived so far. */
  flush(): Promise<void>
}

interface Entry {
  /**
   * Makes the change. Returns the callback that resolves its promise, for use once it is on disk.
   */
  run(tx: Transaction): Promise<() => void>
  reject(error: unknown): void
}

export function groupCommit(connection: Connection): GroupCommit {
  let arrived: Entry[] = []
  let running: Promise<void> | null = null

  async function flush(): Promise<void> {
    while (running !== null) await running
    if (arrived.length === 0) return
    const group = arrived
    arrived = []
    running = commitTogether(connection, group).finally(() => {
      running = null
    })
    await running
  }

  return {
    flush,
    add: (change) =>
      new Promise((resolve, reject) => {
        if (arrived.length === 0) setImmediate(() => void flush())
        arrived.push({
          run: async (tx) => {
            const result = await change(tx)
            return () => resolve(result)
          },
          reject,
        })
      }),
  }
}

/** Rejects nothing but its entries. */
async function commitTogether(connection: Connection, group: readonly Entry[]): Promise<void> {
  try {
    const callbacks = await connection.write((tx) => runTogether(tx, group), 'end of a call')
    for (const callback of callbacks) callback()
  } catch (error) {
    for (const entry of group) entry.reject(error)
  }
}

async function runTogether(tx: Transaction, group: readonly Entry[]): Promise<readonly (() => void)[]> {
  const callbacks: (() => void)[] = []
  for (const entry of group) {
    try {
      callbacks.push(await tx.savepoint(() => entry.run(tx)))
    } catch (error) {
      // A full disk may have rolled back the whole transaction: then every change fails.
      if (!tx.isOpen() || error instanceof UnreachableError) throw error
      callbacks.push(() => entry.reject(error))
    }
  }
  return callbacks
}
