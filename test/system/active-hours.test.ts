import { afterEach, expect, test } from '@jest/globals'
import { figure } from '../support/ledger.js'
import { catalogText, QUERY, type SystemUnderTest, startSystem } from '../support/system-under-test.js'
import { until } from '../support/until.js'

/** Two worker processes and real minutes: the witness is the simulator's log of calls. */
let system: SystemUnderTest
afterEach(() => system.close())

const MINUTE = 60_000

/** "23:41" there. India's clock is half an hour off, so a mistake by whole hours shows. */
const ZONE = 'Asia/Kolkata'
function clock(at: number): string {
  return new Date(at).toLocaleTimeString('en-GB', {
    timeZone: ZONE,
    hour: '2-digit',
    minute: '2-digit',
    hourCycle: 'h23',
  })
}

function env(...spans: readonly (readonly [from: number, to: number])[]): Record<string, string> {
  const hours = spans.map(([from, to]) => `${clock(from)}-${clock(to)}`).join(', ')
  return { TRACKYARD_ACTIVE_HOURS: hours, TRACKYARD_TIME_ZONE: ZONE }
}

async function submit(rows: number): Promise<void> {
  const path = await system.file('films.csv', catalogText(rows))
  await system.json(['submit', path, '--query', QUERY, '--yes'])
}

const receivedAt = () => system.simulator.calls().map((call) => call.receivedAt)
const answered = async () => (await system.status()).batches[0]?.tagged

test('no call starts outside the active hours, and those in flight finish', async () => {
  system = await startSystem({
    simulator: { noMatchRate: 0, latencyMs: [300, 500] },
    env: { TRACKYARD_RATE_LIMIT: '600' },
  })
  await submit(1200)
  // At least 30 s of the present period are left; then a minute off, and on again.
  const minute = Math.floor((Date.now() + 30_000) / MINUTE) * MINUTE
  const [end, again] = [minute + MINUTE, minute + 2 * MINUTE]
  const hours = env([minute - 5 * MINUTE, end], [again, again + 30 * MINUTE])
  const workers = await Promise.all([system.startWorker(hours), system.startWorker(hours)])
  await until(() => receivedAt().length > 0, { timeoutMs: 120_000, what: 'calls before the end' })

  await until(async () => (await system.status()).queue.causes.includes('outside_hours'), {
    timeoutMs: 90_000,
    what: 'the end of the hours',
    everyMs: 1000,
  })
  const { queue, finish_at } = await system.status()
  expect(queue).toMatchObject({ state: 'paused', until: new Date(again).toISOString() })
  expect(Date.parse(finish_at ?? '')).toBeGreaterThan(again)
  expect((await system.cli(['status'])).stdout).toContain('Outside the active hours')
  await until(async () => (await answered()) === receivedAt().length, { timeoutMs: 120_000, what: 'calls in flight' })

  await until(() => receivedAt().some((at) => at >= again), { timeoutMs: 120_000, what: 'calls of the next period' })
  expect(figure(system, `select count(*) from call where sent_at >= ${end} and sent_at < ${again}`)).toBe(0)
  // A call that starts in the last moment may take seconds to arrive, on a busy machine.
  expect(receivedAt().filter((at) => at >= end + 10_000 && at < again)).toEqual([])
  // Called almost to the end.
  expect(Math.max(...receivedAt().filter((at) => at < end))).toBeGreaterThan(end - 20_000)
  expect(system.simulator.paidTwice()).toEqual([])
  expect(workers.flatMap((worker) => worker.logged('setting.mismatch_found'))).toEqual([])
}, 360_000)

test('outside the hours a worker makes no call until resume --now; plain resume does not help', async () => {
  const now = Date.now()
  system = await startSystem({
    simulator: { noMatchRate: 0 },
    env: env([now + 60 * MINUTE, now + 120 * MINUTE]),
  })
  await submit(20)
  const worker = await system.startWorker()
  await worker.waitForEvent('worker.started')
  expect((await system.status()).queue).toMatchObject({ state: 'paused', causes: ['outside_hours'] })
  expect((await system.cli(['resume'])).stdout).toContain('add --now')
  expect((await system.status()).queue.causes).toEqual(['outside_hours'])
  expect(receivedAt()).toEqual([])
  expect((await system.cli(['resume', '--now'])).stdout).toMatch(/active hours are overridden until they end at/)
  expect((await system.cli(['wait', '--timeout', '60'])).code).toBe(0)
  expect(receivedAt()).toHaveLength(20)
}, 180_000)
