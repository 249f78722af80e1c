import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from '@jest/globals'
import { expectAccounted, figure, openCalls, readLedger, untilDone } from '../support/ledger.js'
import { withRedis } from '../support/redis.js'
import { SHORT } from '../support/short-settings.js'
import { withSystem } from '../support/system-under-test.js'
import { until } from '../support/until.js'

/** Frozen processes and servers that answer badly: what may be paid stays on the books, and nothing is asked twice that need not be. */
test.concurrent(
  'a worker frozen beyond its lock and woken: its answers are kept, and no search is called a second time',
  () =>
    withRedis((redis) =>
      withSystem(
        {
          // Longer than it may take to freeze the worker at a moment at which it holds no lock.
          simulator: { noMatchRate: 0, latencyMs: 3000 },
          env: { ...SHORT, TRACKYARD_CONCURRENCY: '8', TRACKYARD_REDIS_URL: redis.url },
        },
        async (system) => {
          // It sleeps until the first one has frozen, so that all calls are the first one's.
          const other = await system.startWorker({
            TRACKYARD_REQUEST_TIMEOUT_MS: '60000',
            TRACKYARD_LOCK_DURATION_MS: '70000',
          })
          await system.freeze(other)
          const frozen = await system.startWorker()
          await system.submit(16)
          await system.simulator.waitForCalls(8, 120_000)
          await system.freeze(frozen)
          const beyondItsDeadlines = sleep(Number(SHORT.TRACKYARD_REQUEST_TIMEOUT_MS) + 500)
          await redis.expireLocks()
          other.kill('SIGCONT')
          // The other one takes the jobs over, and finds that their calls are open.
          await other.waitForEvent('job.stalled')
          expect(openCalls(system)).toBeGreaterThan(0)
          await beyondItsDeadlines
          frozen.kill('SIGCONT')
          await untilDone(system)
          await expectAccounted(system, { rows: 16, unknown: 0 })
          expect(system.simulator.calls()).toHaveLength(16)
          expect(readLedger(system)).toMatchObject({ calls: { answered: 16 }, failures: 0 })
        },
      ),
    ),
  240_000,
)

test.concurrent('`down` does not take a frozen worker for one that has stopped', async () => {
  await withSystem({}, async (system) => {
    await system.submit(1)
    const worker = await system.startWorker()
    await untilDone(system)
    await system.freeze(worker)
    const { code, stderr } = await system.command(['down'])
    worker.kill('SIGCONT')
    expect({ code, stderr }).toMatchObject({ code: 5, stderr: expect.stringContaining(`kill -CONT ${worker.pid}`) })
    expect(await worker.exited).toMatchObject({ code: 0, signal: null })
  })
}, 240_000)

test.concurrent('a server that hangs, cuts or answers too late: unknown outcome, tried again, charged; one that drips or cuts in the answer: unreadable, charged, never asked again', async () => {
  const bad = ['hang', 'cut', 'late', 'drip', 'cut in the answer'] as const
  const unknown = 3
  const unreadable = bad.length - unknown
  await withSystem(
    {
      simulator: {
        noMatchRate: 0,
        faults: bad.map((does, index) => ({
          match: `scene ${index} `,
          times: 1,
          does,
          // Far beyond the timeout: a worker that stalls meanwhile must not find the answer waiting.
          ms: does === 'drip' ? 100 : 60_000,
        })),
      },
      env: SHORT,
    },
    async (system) => {
      await system.submit(10)
      await system.startWorker()
      await untilDone(system)
      // A late answer is still on its way when everything is done; it is paid for all the same.
      await until(() => system.simulator.calls().every((call) => call.finished !== 'open'), {
        timeoutMs: 120_000,
        what: 'the end of the last call',
      })
      const cutOff = bad.slice(unknown).map((_, index) => `r${unknown + index + 1}`)
      await expectAccounted(system, { rows: 10, unknown, status: (id) => (cutOff.includes(id) ? 'dead' : 'tagged') })
      expect(system.simulator.calls()).toHaveLength(10 + unknown)
      expect(figure(system, 'select charged from batch')).toBe(10 + unknown)
      expect(readLedger(system)).toMatchObject({
        calls: { answered: 10 - unreadable, unreadable, unknown },
        failures: unknown,
      })
      for (const index of bad.keys()) {
        const shown = JSON.stringify(await system.json(['show', `r${index + 1}`]))
        expect(shown).toMatch(index < unknown ? /"unknown"/ : /cut off: (connection lost|no complete answer within)/)
      }
    },
  )
}, 240_000)
