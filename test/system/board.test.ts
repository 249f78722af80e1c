import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { catalogText, QUERY, type SystemUnderTest, startSystem } from '../support/system-under-test.js'
import { until } from '../support/until.js'

/** Bull Board's buttons on the real board process do what the command line does, and the page says why it stands still. */
let system: SystemUnderTest
let url: string
beforeAll(async () => {
  system = await startSystem({ simulator: { noMatchRate: 0 }, env: { TRACKYARD_BOARD_PORT: '0' } })
  const board = system.start('dist/workers/board.js')
  url = String((await board.waitForEvent('board.started')).url)
}, 240_000)
afterAll(() => system.close())

interface Page {
  readonly queues: readonly {
    readonly name: string
    readonly description?: string
    readonly jobs: readonly { readonly id: string; readonly name: string; readonly failedReason: string }[]
  }[]
}

test('Pause and Resume pressed in Bull Board are the operator’s; the sentence and the metrics say so', async () => {
  expect((await fetch(`${url}/queues/api/queues/search/pause`, { method: 'PUT' })).status).toBe(200)
  await system.startWorker()
  await system.submit(5)
  expect((await system.status()).queue).toMatchObject({ state: 'paused', causes: ['operator'], waiting: 5 })
  // Where Redis takes its time, the page says so first.
  const description = async (): Promise<string> => {
    const page = (await (await fetch(`${url}/queues/api/queues`)).json()) as Partial<Page>
    return page.queues?.find((queue) => queue.name === 'search')?.description ?? ''
  }
  const saysWhy = async (): Promise<boolean> => /Paused by hand/.test(await description())
  await until(saysWhy, { timeoutMs: 120_000, what: 'the page to say why it stands still' })
  expect(await (await fetch(`${url}/metrics`)).text()).toMatch(/trackyard_paused\{cause="operator"\} 1/)
  expect(system.simulator.calls()).toHaveLength(0)

  expect((await fetch(`${url}/queues/api/queues/search/resume`, { method: 'PUT' })).status).toBe(200)
  expect((await system.cli(['wait', '--timeout', '120'])).code).toBe(0)
  expect(system.simulator.paid()).toBe(5)
  expect((await system.status()).queue.causes).toEqual([])
}, 240_000)

test('Retry pressed on a dead letter makes its search due again, and it is answered', async () => {
  system.simulator.fail({ match: 'wrong scene 1 ', timesInTotal: 1, does: { status: 400 } })
  const path = await system.file('wrong.csv', catalogText(3))
  await system.json(['submit', path, '--query', `wrong ${QUERY}`, '--yes'])
  expect((await system.cli(['wait', 'wrong', '--timeout', '120'])).code).toBe(6)
  const failed = async (): Promise<Page['queues'][number]['jobs']> => {
    const page = (await (await fetch(`${url}/queues/api/queues?activeQueue=dead-letters&status=failed`)).json()) as Page
    return page.queues.find((queue) => queue.name === 'dead-letters')?.jobs ?? []
  }
  await until(async () => (await failed()).length === 1, { timeoutMs: 120_000, what: 'the dead letter in Bull Board' })
  const [letter] = await failed()
  expect(letter?.name).toBe('400 invalid_parameters · wrong scene 1 dark music')
  expect(letter?.failedReason).toMatch(/400.*Check the query/s)

  expect((await fetch(`${url}/queues/api/queues/dead-letters/${letter?.id}/retry`, { method: 'PUT' })).status).toBe(204)
  await until(async () => (await system.status()).batches.find(({ name }) => name === 'wrong')?.tagged === 3, {
    timeoutMs: 120_000,
    what: 'the retried search to be tagged',
  })
  expect(system.simulator.paid()).toBe(5 + 3)
  expect((await system.status()).queue.dead_letters).toBe(0)
  await until(async () => (await failed()).length === 0, { timeoutMs: 120_000, what: 'the letter to leave Bull Board' })
}, 240_000)
