import { expect, test } from '@jest/globals'
import { expectAccounted, figure, openCalls, readLedger, untilDone } from '../support/ledger.js'
import { type TestRedis, withRedis } from '../support/redis.js'
import { type SystemUnderTest, withSystem } from '../support/system-under-test.js'
import { until } from '../support/until.js'

/** A search that takes its worker down each time. */
const POISON = 'scene 2 '

test.concurrent.each([1, 10])(
  'with %i slots, a search that kills its worker each time is a dead letter',
  (slots) =>
    withRedis((redis) =>
      withSystem(
        {
          simulator: { noMatchRate: 0, latencyMs: 20 },
          env: {
            TRACKYARD_REDIS_URL: redis.url,
            // Only a worker that died loses its locks, however slow the machine is.
            TRACKYARD_REQUEST_TIMEOUT_MS: '2000',
            TRACKYARD_LOCK_DURATION_MS: '60000',
            TRACKYARD_STALLED_INTERVAL_MS: '500',
            TRACKYARD_CONCURRENCY: String(slots),
          },
        },
        (system) => crashUntilDead(system, redis, slots),
      ),
    ),
  400_000,
)

async function crashUntilDead(system: SystemUnderTest, redis: TestRedis, slots: number): Promise<void> {
  await system.submit(30)

  // As `up` does: a worker that died is started again.
  let deaths = 0
  let isOver = false
  const supervisor = (async () => {
    while (!isOver) {
      const worker = system.start('test/support/poisoned-worker.mjs', [], { POISON })
      const { signal } = await worker.exited
      if (isOver) break
      if (signal === 'SIGKILL') deaths += 1
      if (deaths > 12) throw new Error('it kills its workers for ever')
      await redis.expireLocks()
    }
  })()
  try {
    await Promise.race([supervisor, untilDone(system, 300_000)])
  } finally {
    isOver = true
  }
  expect(deaths).toBe(6)

  const letters = await system.deadLetters()
  expect(letters).toMatchObject([{ query: expect.stringMatching(/^scene 2 /), code: 'crashed' }])
  // Nobody claims a dead search again: maintenance gives its last call up.
  await until(() => openCalls(system) === 0, { timeoutMs: 120_000, what: 'the last call to be given up' })
  const unknown = readLedger(system).calls.unknown ?? 0
  await expectAccounted(system, { rows: 30, unknown, status: (id) => (id === 'r3' ? 'dead' : 'tagged') })
  // Each death takes at most the calls in flight beside it along.
  expect(unknown).toBeLessThanOrEqual(deaths * slots)
  expect(system.simulator.calls().filter((call) => call.query.startsWith(POISON))).toHaveLength(0)
  expect(figure(system, "select count(*) from search where state = 'dead'")).toBe(1)
}
