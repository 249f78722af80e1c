import { afterEach, expect, test } from '@jest/globals'
import type { LogFacts } from '../../src/domain/logger.js'
import { type InProcessSystem, queries, startInProcess } from '../support/in-process-system.js'
import { until } from '../support/until.js'

/**
 * That a running worker does its chores by the settings it was given; what each chore does is
 * tested where it lives.
 */
let registry: InProcessSystem
afterEach(() => registry.close())

const causes = async () => (await registry.store.pauses.list()).map((row) => row.cause)
const HOUR = 3_600_000
const timeoutMs = 40_000

test('a pause is ended unattended for TRACKYARD_AUTO_RESUME_HOURS and no longer', async () => {
  registry = await startInProcess({ env: { TRACKYARD_CREDIT_CHECK_MS: '300', TRACKYARD_AUTO_RESUME_HOURS: '2' } })
  const since = (hours: number) => registry.now() - hours * HOUR
  await registry.store.pauses.add({ cause: 'no_credits', since: since(3), detail: 'Out of credits' })
  await registry.store.pauses.add({ cause: 'reserve', since: since(1), detail: 'The reserve is reached' })
  await registry.worker()
  // Both would be lifted by the same look at the balance, the older one first.
  await until(async () => !(await causes()).includes('reserve'), { timeoutMs, what: 'the end of the younger pause' })
  expect(await causes()).toEqual(['no_credits'])
}, 120_000)

test('a balance that TRACKYARD_CREDIT_RESERVE keeps back ends no pause; one above it does', async () => {
  registry = await startInProcess({
    simulator: { credits: 15 },
    env: { TRACKYARD_CREDIT_CHECK_MS: '300', TRACKYARD_CREDIT_RESERVE: '20' },
  })
  await registry.worker()
  await registry.submit(queries(3))
  await until(async () => (await causes()).includes('reserve'), { timeoutMs, what: 'the pause' })
  const askedAt = async () => (await registry.store.pauses.watch()).askedAt
  // By the third look, the first two have had their consequences.
  const looks = new Set<number>()
  const look = async () => looks.add((await askedAt()) ?? 0).size > 3
  await until(look, { timeoutMs, what: 'three looks at the balance' })
  expect(registry.log.logged('queue.resumed')).toEqual([])
  registry.simulator.topUp(100)
  await until(() => registry.simulator.paid() === 3, { timeoutMs, what: 'the three calls' })
}, 150_000)

test("the queue's flag follows the rows while a worker runs, whoever wrote them", async () => {
  registry = await startInProcess()
  await registry.worker()
  expect(await registry.queue.throttle.isPaused()).toBe(false)
  await registry.store.pauses.add({ cause: 'operator', since: registry.now(), detail: '' })
  await until(() => registry.queue.throttle.isPaused(), { timeoutMs, what: 'the closed queue' })
  await registry.store.pauses.lift('operator', false)
  await until(async () => !(await registry.queue.throttle.isPaused()), { timeoutMs, what: 'the open queue' })
}, 120_000)

test('who says that it has started is known to `down`, which would stop Redis under it otherwise', async () => {
  registry = await startInProcess()
  let known: Promise<number> | null = null
  const { info } = registry.log
  Object.assign(registry.log, {
    info: (facts: LogFacts, message: string) => {
      if (facts.event === 'worker.started') known = registry.queue.registry.workers()
      info(facts, message)
    },
  })
  await registry.worker()
  expect(await known).toBe(1)
}, 120_000)
