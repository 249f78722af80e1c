import type { Connection, Transaction } from './engine.js'
import { isStoreFailure } from './store-failure.js'

/**
 * A commit to disk costs nearly the same however much it contains, so changes that wait share one, up to the
 * size of a group. If one of them fails by a bug, nothing of the group stays, and each is run again
 * alone: only that one fails. A change resolves only once its commit is on disk.
 */
export interface GroupCommit {
  /**
   * Runs the change in the next shared transaction. Rejects with what it threw, or `UnreachableError` when the commit failed.
   * @param place `first`: before changes that arrived earlier without it. Every second group begins with one of those,
   * so that they are not delayed forever.
   */
  add<T>(change: (tx: Transaction) => Promise<T>, place?: 'first' | 'last'): Promise<T>
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

/** @param groupSize how many changes share a commit at most; called before each commit */
export function groupCommit(connection: Connection, groupSize: () => number): GroupCommit {
  const first: Entry[] = []
  const last: Entry[] = []
  const arrived = (): number => first.length + last.length
  let running: Promise<void> | null = null
  let isTurnOfLast = false

  const commitSoon = (): void => {
    setImmediate(() => void commitNext())
  }

  async function commitNext(): Promise<void> {
    while (running !== null) await running
    if (arrived() === 0) return
    running = commitGroup().finally(() => {
      running = null
    })
    await running
    if (arrived() > 0) commitSoon()
  }

  async function commitGroup(): Promise<void> {
    const group: Entry[] = []
    try {
      const size = groupSize()
      const callbacks = await connection.write(async (tx) => {
        const made: (() => void)[] = []
        while (group.length < size) {
          const entry = (isTurnOfLast && group.length === 0 ? last.shift() : undefined) ?? first.shift() ?? last.shift()
          if (entry === undefined) break
          group.push(entry)
          made.push(await entry.run(tx))
        }
        isTurnOfLast = !isTurnOfLast
        return made
      }, 'must be kept')
      for (const callback of callbacks) callback()
    } catch (error) {
      await failOrRepeat(error, group)
    }
  }

  async function failOrRepeat(error: unknown, group: Entry[]): Promise<void> {
    // The transaction could not begin, so no entry was taken yet: all of them fail.
    if (group.length === 0) group.push(...first.splice(0), ...last.splice(0))
    const isAboutAll = isStoreFailure(error) || group.length === 1
    for (const entry of group) {
      if (isAboutAll) entry.reject(error)
      else await commitAlone(connection, entry)
    }
  }

  return {
    flush: async () => {
      do await commitNext()
      while (arrived() > 0)
    },
    add: (change, place = 'last') =>
      new Promise((resolve, reject) => {
        if (arrived() === 0) commitSoon()
        const queue = place === 'first' ? first : last
        queue.push({
          run: async (tx) => {
            const result = await change(tx)
            return () => resolve(result)
          },
          reject,
        })
      }),
  }
}

async function commitAlone(connection: Connection, entry: Entry): Promise<void> {
  try {
    const callback = await connection.write((tx) => entry.run(tx), 'must be kept')
    callback()
  } catch (error) {
    entry.reject(error)
  }
}
