/**
 * A change is committed, but its acknowledgement is lost with the connection to PostgreSQL. Whoever does not know
 * whether it was done repeats it: everything must be as if it was done once.
 */
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { type PostgresServer, postgresBinaries, startPostgresServer } from '../../scripts/postgres-server.js'
import { UnreachableError } from '../../src/domain/errors.js'
import { openStore } from '../../src/store/open.js'
import { addressOf } from '../../src/store/postgres/address.js'
import { openConnection } from '../../src/store/postgres/connection.js'
import type { Store } from '../../src/store/store.js'

import { startPostgresProxy } from '../support/postgres-proxy.js'
import { badRow, claim, close, DEATH, facts, newBatch, PLENTY, refOf, row } from './setup.js'
import { counters, readAll } from './slow-recount.js'

const here = postgresBinaries() === null ? describe.skip : describe

type Change = <T>(change: () => Promise<T>) => Promise<T>

/** One of each kind of change that may be repeated. A batch that is created twice has no rows, and is dropped. */
async function night(store: Store, change: Change): Promise<void> {
  const id = await store.batches.create(newBatch())
  const queries = ['a', 'b', 'c', 'd', 'e', 'f']
  const rows = [...queries, 'a'].map((query, index) => row(index + 1, query))
  await change(() => store.batches.addRows(id, rows.slice(0, 4), 1000))
  await change(() => store.batches.addRows(id, [...rows.slice(4), badRow(8)], 1100))
  await change(() => store.batches.heartbeat(id, 1200))
  await change(() => store.batches.release(id, { maxCredits: 5, first: null }, 2000))
  const due = await change(() => store.feed.due(1000, PLENTY))
  await change(() => store.feed.markQueued(due, 3000))
  for (const [index, query] of (['a', 'b', 'c'] as const).entries()) {
    const token = index + 1
    const call = await change(() => claim(store, query, { token }))
    if (call.kind !== 'granted') throw new Error(`expected a granted claim, found ${call.kind}`)
    await change(() => close(store, call.callId, (['answered', 'refused', 'failed'] as const)[index] ?? 'failed'))
  }
  await change(() => store.deadLetters.retry(refOf('b')))
  await change(() => store.feed.requeue([refOf('d')]))
  await change(() => store.deadLetters.recordCrashed(refOf('e'), DEATH, 12_000))
  await change(() => store.deadLetters.discardAll({ search: refOf('e').fingerprint }))
  const late = await change(() => claim(store, 'f', { token: 9 }))
  await change(() => store.calls.expire(11_000))
  if (late.kind === 'granted') await change(() => close(store, late.callId, 'rateLimited'))
  await change(() => store.pauses.add({ cause: 'operator', since: 12_000, detail: 'by hand' }))
  await change(() => store.pauses.lift('operator', true, 13_000))
  await change(() => store.account.update({ creditsRemaining: facts().creditsRemaining ?? 50 }, 13_000))
  await change(() => store.batches.takeMilestones({ now: 13_000, deadPercent: 5 }))
  await change(() => store.batches.cancel(id, 14_000))
  const dropped = await store.batches.create(newBatch())
  await change(() => store.batches.addRows(dropped, [row(1, 'x')], 15_000))
  await change(() => store.batches.drop(dropped))
}

here('changes whose acknowledgement is lost', () => {
  let server: PostgresServer
  beforeAll(async () => {
    server = await startPostgresServer()
  })
  afterAll(() => server.close())

  async function play(name: string, changeOf: (lose: () => Promise<void>) => Change) {
    const database = await server.createDatabase(name)
    const proxy = await startPostgresProxy(database)
    const store = await openStore({
      path: join(tmpdir(), 'nowhere', 'store.db'),
      database: { url: proxy.url, ca: null },
    })
    const reader = openConnection(addressOf({ url: database, ca: null }), 'read')
    try {
      await night(store, changeOf(proxy.loseAcknowledgement))
      return await readAll(reader)
    } finally {
      await reader.close()
      await store.close()
      await proxy.close()
    }
  }

  test('leave the store as if each was done once, when all are repeated', async () => {
    const once = await play('once', () => (change) => change())
    let lost = 0
    const repeated = await play('repeated', (lose) => async (change) => {
      const losing = lose()
      await expect(change()).rejects.toBeInstanceOf(UnreachableError)
      await losing
      lost += 1
      return change()
    })
    expect(lost).toBeGreaterThan(25)
    expect(repeated).toEqual(once)
    const { stand, should } = counters(repeated)
    expect(stand).toEqual(should)
  })
})
