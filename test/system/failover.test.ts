import { expect, test } from '@jest/globals'
import { expectAccounted, openCalls, readLedger, untilDone } from '../support/ledger.js'
import { type RedisGroup, startCluster, startSentinels } from '../support/redis-groups.js'
import { SHORT } from '../support/short-settings.js'
import { catalogText, QUERY, withSystem } from '../support/system-under-test.js'

const ROWS = 300
/** A failover of these servers takes about three seconds, and the jobs in flight come back after lock and interval. */
const RESUMES_WITHIN_MS = 60_000

async function withGroup(start: () => Promise<RedisGroup>, play: (group: RedisGroup) => Promise<void>): Promise<void> {
  const group = await start()
  try {
    await play(group)
  } finally {
    await group.stop()
  }
}

test.each([
  ['the node with our keys', startCluster],
  ['the primary of three sentinels', startSentinels],
])(
  '%s is killed in the middle of a run: every search is called once',
  async (_name, start) => {
    await withGroup(start, async (group) => {
      const env = { ...SHORT, TRACKYARD_RATE_LIMIT: '3000', TRACKYARD_REDIS_URL: group.url }
      await withSystem({ simulator: { noMatchRate: 0, latencyMs: 300 }, env }, async (system) => {
        const path = await system.file('films.csv', catalogText(ROWS))
        expect(await system.cli(['submit', path, '--query', QUERY, '--yes'])).toMatchObject({ code: 0 })
        const workers = await Promise.all([system.startWorker(), system.startWorker()])
        await system.simulator.waitForCalls(80, 120_000)
        expect(openCalls(system)).toBeGreaterThan(0)
        const killedAt = Date.now()
        await group.owner.kill()
        await untilDone(system)
        await expectAccounted(system, { rows: ROWS, unknown: 0 })
        expect(system.simulator.calls()).toHaveLength(ROWS)
        expect(readLedger(system)).toMatchObject({ calls: { answered: ROWS }, failures: 0, integrity: 'ok' })
        const later = system.simulator.calls().map(({ receivedAt }) => receivedAt - killedAt)
        expect(longestGap(later.filter((ms) => ms > 0))).toBeLessThan(RESUMES_WITHIN_MS)
        for (const worker of workers) {
          // The other one may have made the last calls.
          await worker.waitForEvent('redis.reconnected')
          // Told once, however many connections and attempts there were.
          expect(worker.logged('redis.disconnected')).toHaveLength(1)
          expect(worker.logged('redis.reconnected')).toHaveLength(1)
        }
        expect(await system.cli(['down'])).toMatchObject({ code: 0 })
        for (const worker of workers) expect(await worker.exited).toMatchObject({ code: 0, signal: null })
      })
    })
  },
  360_000,
)

/** How long no call came, in ms since the kill. */
function longestGap(times: readonly number[]): number {
  const ordered = [0, ...times].sort((a, b) => a - b)
  return Math.max(...ordered.slice(1).map((time, index) => time - (ordered[index] ?? 0)))
}
