import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, expect, test } from '@jest/globals'
import type { BatchStatus } from '../../src/batches/status-report.js'
import { ConfigurationError } from '../../src/domain/errors.js'
import { renderMetrics } from '../../src/web/metrics.js'
import { startBoard } from '../../src/web/start-board.js'
import { aReport, SOME_CALLS, setup } from './setup.js'

describe('the probes', () => {
  test('healthz says ok as long as the process lives', async () => {
    await using board = await setup({ ready: () => Promise.reject(new Error('no')) })
    const response = await board.get('/healthz')
    expect([response.status, await response.text()]).toEqual([200, 'ok'])
  })

  test.each([
    [200, { ok: true, reason: 'Redis and the store answer.' }],
    [503, { ok: false, reason: 'Redis cannot be reached.' }],
  ])('readyz answers %i with the reason', async (status, state) => {
    await using board = await setup({ ready: async () => state })
    const response = await board.get('/readyz')
    expect([response.status, await response.json()]).toEqual([status, state])
  })

  test('readyz is 503 when nobody knows', async () => {
    await using board = await setup({ ready: () => Promise.reject(new Error('the disk is full')) })
    const response = await board.get('/readyz')
    expect([response.status, await response.json()]).toEqual([503, { ok: false, reason: 'the disk is full' }])
  })
})

describe('the metrics', () => {
  test('are what the report says at the moment of the scrape', async () => {
    await using board = await setup({}, { callsByOutcome: async () => SOME_CALLS })
    const response = await board.get('/metrics')
    expect(response.headers.get('content-type')).toContain('text/plain')
    const samples = samplesIn(await response.text())
    expect(samples).toMatchObject({
      'trackyard_info{version="1.2.3"}': 1,
      'trackyard_calls_total{outcome="answered"}': 79,
      'trackyard_calls_total{outcome="transient"}': 5,
      trackyard_rate_limited_total: 7,
      trackyard_credits_remaining: 4210,
      trackyard_credits_spent_total: 80,
      trackyard_unknown_outcomes_total: 1,
      trackyard_rate_limited: 0,
      trackyard_probing: 0,
      'trackyard_paused{cause="no_credits"}': 0,
      'trackyard_queue_searches{state="waiting"}': 120,
      'trackyard_queue_searches{state="dead_letters"}': 2,
      trackyard_notifications_pending: 3,
      trackyard_workers: 1,
      trackyard_workers_with_write_failure: 0,
      trackyard_calls_last_minute: 291,
      trackyard_limit_per_minute: 300,
    })
    expect(Object.keys(samples)).not.toContain('trackyard_calls_total{outcome="sent"}')
  })

  test('name every cause of a pause, and leave out what is not known', async () => {
    const { queue } = aReport()
    const report = aReport({
      queue: { ...queue, state: 'paused', causes: ['no_credits', 'operator'], probing: true, write_failures: 2 },
      credits: { ...aReport().credits, remaining: null },
      calls_per_minute: { limit: null, last: 0 },
    })
    const { text } = await renderMetrics(report, SOME_CALLS, '1')
    const samples = samplesIn(text)
    expect(samples['trackyard_paused{cause="no_credits"}']).toBe(1)
    expect(samples['trackyard_paused{cause="operator"}']).toBe(1)
    expect(samples['trackyard_paused{cause="outage"}']).toBe(0)
    expect(samples.trackyard_probing).toBe(1)
    expect(samples.trackyard_workers_with_write_failure).toBe(2)
    expect(text).not.toMatch(/^trackyard_(credits_remaining|limit_per_minute)/m)
  })

  test('escape the name of a batch', async () => {
    const { text } = await renderMetrics(aReport({ batches: [aBatch()] }), SOME_CALLS, '1')
    expect(text).toContain('trackyard_batch_rows{batch="60",name="a \\"quoted\\" name",status="tagged"} 5')
  })

  test('are a 503 with the reason when the store cannot be read', async () => {
    await using board = await setup({}, { callsByOutcome: () => Promise.reject(new Error('the disk is full')) })
    const response = await board.get('/metrics')
    expect([response.status, await response.text()]).toEqual([503, expect.stringContaining('the disk is full')])
  })
})

describe('an address that cannot be had is a matter of configuration', () => {
  test('a taken port names the setting to change', async () => {
    await using board = await setup()
    const other = createServer().listen(0, '127.0.0.1')
    await once(other, 'listening')
    const { port } = other.address() as AddressInfo
    const opening = startBoard({ ...board.options, port })
    await expect(opening).rejects.toThrow(ConfigurationError)
    await expect(opening).rejects.toThrow(new RegExp(`Port ${port} .* in use .* TRACKYARD_BOARD_PORT`))
    other.close()
    await once(other, 'close')
  })

  test('so is a host that is not of this machine', async () => {
    await using board = await setup()
    const opening = startBoard({ ...board.options, host: '192.0.2.1' })
    await expect(opening).rejects.toThrow(/192\.0\.2\.1 is not an address of this machine.*TRACKYARD_BOARD_HOST/)
  })
})

test('closing twice is closing once, ends open connections and leaves the queues open', async () => {
  await using board = await setup()
  await board.get('/healthz')
  await Promise.all([board.close(), board.close()])
  await expect(board.get('/healthz')).rejects.toThrow()
  expect(await board.search.getWaitingCount()).toBe(0)
})

function samplesIn(text: string): Record<string, number> {
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
  return Object.fromEntries(lines.map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.split(' ').at(-1))]))
}

function aBatch(): BatchStatus {
  return {
    batch: 60,
    name: 'a "quoted" name',
    state: 'released',
    rows: 10,
    tagged: 5,
    no_match: 1,
    waiting: 1,
    withheld: 0,
    dead: 1,
    invalid: 1,
    cancelled: 1,
    credits_spent: 7,
    credits_needed: 1,
    calls_last_minute: 12,
    finish_at: null,
    created_at: '2026-01-01T00:00:00.000Z',
    completed_at: null,
    not_before: null,
    deadline: null,
    meets_deadline: null,
  }
}
