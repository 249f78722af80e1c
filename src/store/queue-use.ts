import type { Connection, Transaction } from './engine.js'
import { readMeta, writeMeta } from './meta.js'

/** The Redis that the workers of this store use. */
export interface QueueUse {
  /** The random id of its queue. */
  readonly id: string
  /** For messages: its address without the password. */
  readonly where: string
  /** When a worker last said so. */
  readonly heardAt: number
}

export interface QueueUseStore {
  /** Null: no worker has said which. */
  get(): Promise<QueueUse | null>
  /**
   * Notes which Redis this worker uses, in place of one that it may replace. Returns one that it may not
   * replace; null: it is noted.
   */
  note(use: QueueUse, mayReplace: (known: QueueUse) => boolean): Promise<QueueUse | null>
}

export function queueUseStore(connection: Connection): QueueUseStore {
  return {
    get: () => connection.read(known),
    note: (use, mayReplace) =>
      connection.write(async (tx) => {
        const before = await known(tx)
        if (before !== null && before.id !== use.id && !mayReplace(before)) return before
        writeMeta(tx, 'queue_use', JSON.stringify(use))
        return null
      }),
  }
}

async function known(tx: Transaction): Promise<QueueUse | null> {
  const text = await readMeta(tx, 'queue_use')
  return text === null ? null : (JSON.parse(text) as QueueUse)
}
