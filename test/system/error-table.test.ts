import { afterEach, expect, test } from '@jest/globals'
import type { FaultRule } from '../../src/simulator/faults.js'
import { openCalls } from '../support/ledger.js'
import { type SystemUnderTest, startSystem } from '../support/system-under-test.js'
import { until } from '../support/until.js'

/** One row for each status of the API document's error table: each ends as the table says, its remedy shown. */
let system: SystemUnderTest
afterEach(() => system.close())

const DEAD = [400, 403, 404, 405, 409, 410, 413, 415, 422]
const HEALING = [408, 425, 429, 500, 502, 503, 504]

const rule = (status: number, times?: number): FaultRule => ({
  match: `status ${status} `,
  ...(times === undefined ? {} : { times }),
  does: { status, ...(status === 429 ? { headers: { 'retry-after': '1' } } : {}) },
})

test('each status ends as the error table says', async () => {
  system = await startSystem({
    simulator: {
      noMatchRate: 0,
      faults: [
        ...DEAD.map((status) => rule(status)),
        ...HEALING.map((status) => rule(status, 1)),
        { match: 'status 599 ', does: { status: 599 } },
        { match: 'html ', does: 'html' },
        { match: 'truncated ', does: 'truncated' },
        { match: 'cut ', times: 1, does: 'cut' },
      ],
    },
    env: { TRACKYARD_MAX_ATTEMPTS: '3' },
  })
  const titles = [...DEAD, ...HEALING, 200, 599].map((status) => `status ${status} song`)
  const text = `title\n${[...titles, 'html song', 'truncated song', 'cut song'].join('\n')}\n,\n`
  const path = await system.file('table.csv', text)
  await system.json(['submit', path, '--query', '{title}', '--yes'])
  await system.startWorker()
  expect((await system.cli(['wait', '--timeout', '120'])).code).toBe(6)

  const letters = await system.deadLetters()
  expect(letters.map((letter) => letter.query).sort()).toEqual(
    [...DEAD.map((status) => `status ${status} song`), 'status 599 song', 'html song', 'truncated song'].sort(),
  )
  for (const letter of letters) expect(letter.remedy).toMatch(/\w.*\.$/)
  const byQuery = new Map(letters.map((letter) => [letter.query, letter]))
  expect(byQuery.get('status 400 song')).toMatchObject({ status: 400, code: 'invalid_parameters' })
  expect(byQuery.get('html song')).toMatchObject({ status: 200, code: 'unreadable' })
  expect(byQuery.get('status 599 song')).toMatchObject({ status: 599, attempts: 3 })

  const calls = (query: string): number => system.simulator.calls().filter((call) => call.query === query).length
  for (const status of DEAD) expect(calls(`status ${status} song`)).toBe(1)
  for (const status of HEALING) expect(calls(`status ${status} song`)).toBe(2)
  expect(calls('html song')).toBe(1)
  expect(calls('status 599 song')).toBe(3)

  const rows = await system.exported()
  const statuses = new Map(rows.map((row) => [row.position, row.status]))
  expect(rows).toHaveLength(titles.length + 4)
  expect([...statuses.values()].filter((status) => status === 'tagged')).toHaveLength(HEALING.length + 2)
  expect([...statuses.values()].filter((status) => status === 'dead')).toHaveLength(DEAD.length + 3)
  expect([...statuses.values()].filter((status) => status === 'invalid')).toHaveLength(1)
}, 240_000)

test('401 is refused and pauses; with a working key, resume retries what was refused', async () => {
  system = await startSystem({ simulator: { noMatchRate: 0 } })
  const path = await system.file('a.csv', 'title\none\ntwo\nthree\n')
  await system.json(['submit', path, '--query', '{title}', '--yes'])
  system.simulator.revokeKey()
  const worker = await system.startWorker()
  await worker.waitForEvent('call.finished', { facts: { decision: 'deadLetter' } })
  // The others may be in flight, and a refusal after the resume would pause again.
  await until(() => openCalls(system) === 0, { timeoutMs: 120_000, what: 'the end of the calls in flight' })
  const { queue } = await system.status()
  expect(queue).toMatchObject({ state: 'paused', causes: ['unauthorized'] })
  system.simulator.restoreKey()
  expect((await system.cli(['resume'])).code).toBe(0)
  expect((await system.cli(['wait', '--timeout', '120'])).code).toBe(0)
  expect((await system.exported()).map((row) => row.status)).toEqual(['tagged', 'tagged', 'tagged'])
}, 240_000)
