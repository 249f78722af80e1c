import type { Transaction } from '../../src/store/engine.js'
import { endProbe, extendRateLimit } from '../../src/store/pauses.js'
import { openConnection } from '../../src/store/sqlite/connection.js'
import type { Store } from '../../src/store/store.js'

/** Rate limits the store, as the end of a call does. */
export function limitRate({ path }: Pick<Store, 'path'>, until: number, now: number): Promise<void> {
  return change(path, (tx) => extendRateLimit(tx, until, now))
}

/** Ends the probe, as an answer does. */
export function succeedProbe({ path }: Pick<Store, 'path'>, now: number): Promise<void> {
  return change(path, async (tx) => endProbe(tx, null, now))
}

async function change(path: string, work: (tx: Transaction) => Promise<void>): Promise<void> {
  const connection = openConnection(path, 'write')
  try {
    await connection.write(work)
  } finally {
    await connection.close()
  }
}
