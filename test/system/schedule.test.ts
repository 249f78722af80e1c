import { expect } from '@jest/globals'
import { catalogText, QUERY, type SystemUnderTest, systemTest } from '../support/system-under-test.js'
import { until } from '../support/until.js'

/** A batch that waits for its time, and one that should be done in time; all by command line. */

const firstCall = (system: SystemUnderTest) => system.simulator.calls()[0]?.receivedAt ?? null
const iso = (at: number) => new Date(at).toISOString()

systemTest(
  '--not-before: no call before it, also if the submit is long gone; status says when',
  { simulator: { noMatchRate: 0 } },
  async (system) => {
    const path = await system.file('films.csv', catalogText(10))
    const notBefore = Date.now() + 20_000
    const args = [
      'submit',
      path,
      '--query',
      QUERY,
      '--yes',
      '--not-before',
      iso(notBefore),
      '--deadline',
      '2099-01-01 07:00',
    ]
    const plan = await system.json<{ not_before: string; meets_deadline: boolean }>(args)
    expect(plan).toMatchObject({ batch: 1, not_before: iso(notBefore), meets_deadline: true })
    // Only a worker releases it.
    const { batches } = await system.status()
    expect(batches).toMatchObject([{ state: 'loading', not_before: iso(notBefore), meets_deadline: null }])
    expect((await system.cli(['status'])).stdout).toMatch(/scheduled[\s\S]*Batch 1 \(films\) will be released at/)
    await system.startWorker()
    expect((await system.cli(['wait', '--timeout', '90'])).code).toBe(0)
    expect(firstCall(system)).toBeGreaterThanOrEqual(notBefore)
    expect(system.simulator.calls()).toHaveLength(10)
  },
  180_000,
)

systemTest(
  'a scheduled batch can be dropped or released before its time',
  { simulator: { noMatchRate: 0 } },
  async (system) => {
    const path = await system.file('films.csv', catalogText(3))
    const submit = (name: string) =>
      system.cli(['submit', path, '--query', QUERY, '--yes', '--name', name, '--not-before', '2099-01-01 07:00'])
    expect((await submit('first')).stderr).toContain('Scheduled as batch 1 (first)')
    expect((await system.cli(['cancel', 'first'])).stdout).toContain('not released yet. It was dropped')
    await submit('second')
    await system.startWorker()
    expect((await system.cli(['release', 'second', '--yes'])).code).toBe(0)
    await until(() => system.simulator.paid() === 3, { timeoutMs: 120_000, what: 'its calls' })
    expect((await system.status()).batches).toMatchObject([{ name: 'second', not_before: null }])
  },
  180_000,
)

systemTest(
  '--deadline: the plan and status say that it will be missed',
  { simulator: { noMatchRate: 0 }, env: { TRACKYARD_RATE_LIMIT: '60' } },
  async (system) => {
    const path = await system.file('films.csv', catalogText(600))
    const deadline = iso(Date.now() + 120_000)
    const submitted = await system.cli(['submit', path, '--query', QUERY, '--yes', '--deadline', deadline])
    expect(submitted.stdout).toMatch(/It will miss its deadline \(.*\) by \d+ min/)
    await system.startWorker()
    await until(async () => (await system.status()).batches[0]?.meets_deadline === false, {
      timeoutMs: 120_000,
      what: 'a forecast',
    })
    expect((await system.cli(['status'])).stdout).toContain('will miss its deadline')
    const past = await system.cli(['submit', path, '--query', QUERY, '--deadline', '2020-01-01 07:00'])
    expect([past.code, past.stderr]).toEqual([2, expect.stringContaining('Expected the deadline to be after now')])
    expect((await system.cli(['submit', path, '--not-before', 'soon'])).code).toBe(2)
  },
  180_000,
)
