import { afterEach, expect, test } from '@jest/globals'
import { type Simulator, startSimulator } from '../../src/simulator/simulator.js'
import { catalogText, QUERY, type SystemUnderTest, startSystem } from '../support/system-under-test.js'

/** A record keeps to one API: no process makes a call at another one. */
let system: SystemUnderTest
let second: Simulator | null = null
afterEach(async () => {
  await system.close()
  await second?.close()
  second = null
})

const REAL = { TRACKYARD_API_URL: 'https://api.example.test/v1', TRACKYARD_BOARD_PORT: '0' }

async function rehearse(): Promise<void> {
  const path = await system.file('films.csv', catalogText(5))
  await system.json(['submit', path, '--query', QUERY, '--yes'])
  expect((await system.cli(['wait', '--timeout', '120'])).code).toBe(0)
}

test('after a rehearsal neither up nor a worker starts for the real API: 78, naming both', async () => {
  system = await startSystem({ simulator: { noMatchRate: 0 } })
  const worker = await system.startWorker()
  await rehearse()
  worker.kill('SIGTERM')
  expect((await worker.exited).code).toBe(0)
  for (const entry of [['dist/workers/worker.js'], ['dist/scripts/trackyard-batch.js', 'up']]) {
    const [file = '', ...args] = entry
    const { code, stderr } = await system.start(file, args, REAL).exited
    expect([entry, code]).toEqual([entry, 78])
    expect(stderr).toContain(`belongs to the API at ${system.simulator.url} (5 answers)`)
    expect(stderr).toContain('TRACKYARD_API_URL is https://api.example.test/v1')
  }
}, 240_000)

test('a worker that still runs at the old address ends with 78 when another one is adopted', async () => {
  system = await startSystem({ simulator: { noMatchRate: 0 } })
  const worker = await system.startWorker()
  await rehearse()
  second = await startSimulator({ noMatchRate: 0 })
  const adopted = await system.cli(['account', '--adopt'], { env: { TRACKYARD_API_URL: second.url } })
  expect(adopted.code).toBe(0)
  const { code, stderr } = await worker.exited
  expect(code).toBe(78)
  expect(stderr).toContain(`belongs to the API at ${second.url}`)
}, 240_000)
