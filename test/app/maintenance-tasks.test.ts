import { afterEach, expect, test } from '@jest/globals'
import { Redis } from 'ioredis'
import type { LogFacts } from '../../src/domain/logger.js'
import { type InProcessSystem, queries, startInProcess } from '../support/in-process-system.js'
import { until } from '../support/until.js'

/** A running worker does maintenance by its settings. Each task has its own tests elsewhere. */
let system: InProcessSystem
afterEach(() => system.close())

const causes = async () => (await system.store.pauses.list()).map((row) => row.cause)
const HOUR = 3_600_000
const timeoutMs = 40_000

test('pauses end on their own only for TRACKYARD_AUTO_RESUME_HOURS', async () => {
  system = await startInProcess({ env: { TRACKYARD_CREDIT_CHECK_MS: '300', TRACKYARD_AUTO_RESUME_HOURS: '2' } })
  const since = (hours: number) => system.now() - hours * HOUR
  await system.store.pauses.add({ cause: 'no_credits', since: since(3), detail: 'Out of credits' })
  await system.store.pauses.add({ cause: 'reserve', since: since(1), detail: 'The reserve is reached' })
  await system.worker()
  // One check of the balance would lift both, the older one first.
  await until(async () => !(await causes()).includes('reserve'), { timeoutMs, what: 'the end of the younger pause' })
  expect(await causes()).toEqual(['no_credits'])
}, 240_000)

test('only a balance above TRACKYARD_CREDIT_RESERVE ends a pause', async () => {
  system = await startInProcess({
    simulator: { credits: 15 },
    env: { TRACKYARD_CREDIT_CHECK_MS: '300', TRACKYARD_CREDIT_RESERVE: '20' },
  })
  await system.worker()
  await system.submit(queries(3))
  await until(async () => (await causes()).includes('reserve'), { timeoutMs, what: 'the pause' })
  const askedAt = async () => (await system.store.pauses.watch()).askedAt
  // By the third check, the first two have taken effect.
  const checks = new Set<number>()
  const hasCheckedThrice = async () => checks.add((await askedAt()) ?? 0).size > 3
  await until(hasCheckedThrice, { timeoutMs, what: 'three checks of the balance' })
  expect(system.log.lines.filter(({ facts }) => 'event' in facts && facts.event === 'queue.resumed')).toEqual([])
  system.simulator.topUp(100)
  await until(() => system.simulator.paid() === 3, { timeoutMs, what: 'the three calls' })
}, 240_000)

test('the lease of the balance checks lasts longer than a slow one', async () => {
  system = await startInProcess({ env: { TRACKYARD_REQUEST_TIMEOUT_MS: '15000' } })
  await system.worker()
  const leftMs = async () => Number((await system.redis.command('PTTL', '{trackyard}:lease:auto-resume')).slice(1))
  await until(async () => (await leftMs()) > 15_000, { timeoutMs, what: 'a lease of more than 15 s' })
}, 240_000)

test('a worker keeps the pause flag in Redis in step with the store', async () => {
  system = await startInProcess()
  await system.worker()
  expect(await system.queue.throttle.isPaused()).toBe(false)
  await system.store.pauses.add({ cause: 'operator', since: system.now(), detail: '' })
  await until(() => system.queue.throttle.isPaused(), { timeoutMs, what: 'the paused queue' })
  await system.store.pauses.lift('operator', false, Date.now())
  await until(async () => !(await system.queue.throttle.isPaused()), { timeoutMs, what: 'the resumed queue' })
}, 240_000)

test('a worker is registered for `down` before it logs worker.started', async () => {
  system = await startInProcess()
  let known: Promise<number> | null = null
  const { info } = system.log
  Object.assign(system.log, {
    info: (facts: LogFacts, message: string) => {
      if (facts.event === 'worker.started') known = system.queue.registry.workers()
      info(facts, message)
    },
  })
  await system.worker()
  expect(await known).toBe(1)
}, 240_000)

test('a store that has lost calls while workers run is told with their number, once', async () => {
  system = await startInProcess()
  await system.worker()
  await system.queue.registry.keepLatestCall(55)
  const warnings = () => system.log.logged('store.rollback_detected')
  await until(() => warnings().length > 0, { timeoutMs, what: 'the warning' })
  await until(async () => (await system.queue.registry.latestCall()) === 0, {
    timeoutMs,
    what: 'the number that is true',
  })
  expect(warnings()).toMatchObject([{ facts: { missing: 55 } }])
}, 240_000)

test('a worker whose turn at notifications was another’s begins anew', async () => {
  system = await startInProcess()
  const lease = '{trackyard}:lease:notifications'
  const monitor = await new Redis(system.redis.socketPath).monitor()
  let asked = 0
  // A script's own commands come from `lua`.
  monitor.on('monitor', (_, words: readonly string[], from: string) => {
    if (from !== 'lua' && words.includes(lease)) asked += 1
  })
  const pause = (cause: 'operator' | 'failing') => system.store.pauses.add({ cause, since: system.now(), detail: '' })
  const notified = () => system.log.logged('notification.created').map(({ facts }) => facts.notification)
  try {
    await pause('operator')
    await system.worker()
    await until(() => notified().includes('queue.paused'), { timeoutMs, what: 'the first notification' })
    await system.redis.command('SET', lease, 'another worker', 'PX', '60000')
    asked = 0
    await until(() => asked >= 2, { timeoutMs, what: 'two refusals of the lease' })
    await system.store.pauses.lift('operator', false, system.now())
    await pause('failing')
    await system.redis.command('DEL', lease)
    await until(() => notified().length > 1, { timeoutMs, what: 'the next notification' })
    expect(notified()).toEqual(['queue.paused', 'queue.paused'])
  } finally {
    monitor.disconnect()
  }
}, 240_000)
