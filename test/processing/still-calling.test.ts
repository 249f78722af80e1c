import { afterEach, beforeEach, expect, test } from '@jest/globals'
import type { Api } from '../../src/api/client.js'
import { systemClock } from '../../src/domain/clock.js'
import type { SearchProcessor } from '../../src/processing/process-search.js'
import { type InProcessSystem, refOf, startInProcess } from '../support/in-process-system.js'
import { until } from '../support/until.js'
import { openProcessor } from './setup.js'

/** What the store believes about a call, and what the process that makes it knows. */
let system: InProcessSystem
beforeEach(async () => {
  system = await startInProcess({ simulator: { credits: 100, latencyMs: [200, 300] } })
  await system.submit(['calm piano'])
})
afterEach(() => system.close())

const HOUR_MS = 3_600_000

/** A handler and its wall clock, which can be made to jump. */
function handlerWith(api: Pick<Api, 'search'>): SearchProcessor & { jump(ms: number): void } {
  let ahead = 0
  const clock = { now: () => Date.now() + ahead, monotonicMs: systemClock.monotonicMs }
  const handler = openProcessor(system, {}, { api, clock })
  const jump = (ms: number): void => {
    ahead += ms
  }
  return { ...handler, jump }
}

const outcomes = async () => (await system.store.reports.totals(0)).callsByOutcome

test('a system sleep during a call does not make the call twice', async () => {
  const handler = handlerWith(system.api)
  const first = handler.handle({ ref: refOf('calm piano') })
  await until(() => system.simulator.calls().length === 1, { timeoutMs: 120_000, what: 'the first call' })
  handler.jump(HOUR_MS)
  expect(await handler.handle({ ref: refOf('calm piano') })).toMatchObject({ do: 'delay' })
  expect(await first).toMatchObject({ do: 'succeed' })
  expect(system.simulator.paid()).toBe(1)
  expect(await outcomes()).toMatchObject({ answered: 1, unknown: 0 })
})

test('a call that hits a bug uses an attempt, so it is not bought forever', async () => {
  let calls = 0
  const handler = handlerWith({
    search: async () => {
      calls += 1
      throw new RangeError('an answer that we choke on')
    },
  })
  const decisions: string[] = []
  for (let turn = 0; turn < 5; turn++) {
    decisions.push((await handler.handle({ ref: refOf('calm piano') })).do)
    handler.jump(HOUR_MS)
  }
  expect(decisions).toEqual(['retry', 'retry', 'deadLetter', 'skip', 'skip'])
  expect(calls).toBe(3)
  expect(await outcomes()).toMatchObject({ sent: 0, unknown: 3 })
})
