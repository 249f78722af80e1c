import { UnreachableError } from '../domain/errors.js'
import type { Connection, Transaction } from './connection.js'

/**
 * A commit to disk costs milliseconds however much it contains, so all changes of one event loop
 * turn share one, and those that arrive while it runs share the next. If one of them fails by a bug,
 * nothing of the group stays, and each is run again alone: only that one fails. A change resolves
 * only once its commit is on disk.
 */
export interface GroupCommit {
  /** Runs the change in the next shared transaction. Rejects with what it threw, or `UnreachableError` when the commit failed. */
  add<T>(change: (tx: Transaction) => Promise<T>): Promise<T>
  /** Commits what has arrived so far. */
  flush(): Promise<void>
}

interface Entry {
  /**
   * Makes the change, and can be repeated after a rollback. Returns the callback that resolves its
   * promise, for use once it is on disk.
   */
  run(tx: Transaction): Promise<() => void>
  reject(error: unknown): void
}

/** @param most how many share a commit at most */
export function groupCommit(connection: Connection, most = Number.POSITIVE_INFINITY): GroupCommit {
  let arrived: Entry[] = []
  let running: Promise<void> | null = null

  const commitSoon = (): void => {
    setImmediate(() => void commitNext())
  }

  async function commitNext(): Promise<void> {
    while (running !== null) await running
    if (arrived.length === 0) return
    const group = arrived.slice(0, most)
    arrived = arrived.slice(group.length)
    if (arrived.length > 0) commitSoon()
    running = commitTogether(connection, group).finally(() => {
      running = null
    })
    await running
  }

  return {
    flush: async () => {
      do await commitNext()
      while (arrived.length > 0)
    },
    add: (change) =>
      new Promise((resolve, reject) => {
        if (arrived.length === 0) commitSoon()
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

async function commitTogether(connection: Connection, group: readonly Entry[]): Promise<void> {
  try {
    const callbacks = await connection.write((tx) => runAll(tx, group), 'end of a call')
    for (const callback of callbacks) callback()
  } catch (error) {
    const isAboutAll = error instanceof UnreachableError || group.length === 1
    for (const entry of group) {
      if (isAboutAll) entry.reject(error)
      else await commitTogether(connection, [entry])
    }
  }
}

async function runAll(tx: Transaction, group: readonly Entry[]): Promise<readonly (() => void)[]> {
  const callbacks: (() => void)[] = []
  for (const entry of group) callbacks.push(await entry.run(tx))
  return callbacks
}
