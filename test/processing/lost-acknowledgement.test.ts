/** A commit is done, but its acknowledgement is lost with the connection to PostgreSQL: who made the change repeats it. */
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { type PostgresServer, postgresBinaries, startPostgresServer } from '../../scripts/postgres-server.js'
import { openApi } from '../../src/api/client.js'
import { loadBatch } from '../../src/batches/load-batch.js'
import { systemClock } from '../../src/domain/clock.js'
import { SIMULATOR_KEY } from '../../src/simulator/options.js'
import { type Simulator, startSimulator } from '../../src/simulator/simulator.js'
import { openStore } from '../../src/store/open-store.js'
import type { Store } from '../../src/store/store.js'
import { batchNamed, refOf, rowsOf } from '../support/in-process-system.js'
import { type PostgresProxy, startPostgresProxy } from '../support/postgres-proxy.js'
import { recordingLogger } from '../support/recording-logger.js'
import { openProcessor } from './setup.js'

const here = postgresBinaries() === null ? describe.skip : describe

here('where the acknowledgement is lost', () => {
  let server: PostgresServer
  let proxy: PostgresProxy
  let simulator: Simulator
  let store: Store
  beforeAll(async () => {
    server = await startPostgresServer()
    proxy = await startPostgresProxy(await server.createDatabase('lost'))
    simulator = await startSimulator({ noMatchRate: 0 })
    store = await openStore({ path: join(tmpdir(), 'nowhere', 'store.db'), database: { url: proxy.url, ca: null } })
  })
  afterAll(async () => {
    await store.close()
    await proxy.close()
    await simulator.close()
    await server.close()
  })

  const log = recordingLogger()
  const parts = () => ({ store, log, now: systemClock.now })

  test('a submit goes on, with every row once', async () => {
    let lost: Promise<void> | undefined
    async function* rows() {
      lost = proxy.loseAcknowledgement()
      yield* rowsOf(['warm', 'cold', 'warm'])
    }
    const batch = await loadBatch(parts(), batchNamed('loaded'), rows())
    await lost
    expect(batch.plan).toMatchObject({ rows: 3, searches: 2, invalid: 0 })
    await batch.drop()
  })

  test('a claim gets its own call, and makes it once', async () => {
    const batch = await loadBatch(parts(), batchNamed('night'), rowsOf(['calm piano']))
    await batch.release({ maxCredits: 1, first: null }, { notBefore: null, deadline: null })
    const api = openApi({
      ...{ baseUrl: simulator.url, apiKey: SIMULATOR_KEY, timeoutMs: 5000, proxy: null, userAgent: 'test' },
      clock: systemClock,
    })
    const handler = openProcessor({ store, api, log })
    const lost = proxy.loseAcknowledgement()
    const decision = await handler.handle({ ref: refOf('calm piano') })
    await lost
    expect(decision).toMatchObject({ do: 'succeed' })
    const { callsByOutcome } = await store.reports.totals(systemClock.now())
    expect(callsByOutcome).toMatchObject({ answered: 1, sent: 0, unknown: 0 })
    expect((await store.batches.find(null))?.charged).toBe(1)
    expect(simulator.paid()).toBe(1)
    await api.close()
  })
})
