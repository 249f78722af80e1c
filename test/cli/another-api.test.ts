import { afterEach, beforeEach, expect, test } from '@jest/globals'
import { settingsOf } from '../../src/app/entry.js'
import { startWorker } from '../../src/app/start-worker.js'
import { NEVER_ABORTED } from '../../src/domain/abortable.js'
import { silentLogger } from '../../src/domain/logger.js'
import { SIMULATOR_KEY } from '../../src/simulator/options.js'
import { type Simulator, startSimulator } from '../../src/simulator/simulator.js'
import { CATALOG, type Desk, openDesk, QUERY } from './setup.js'

/**
 * A rehearsal in the real data directory, and an API that moves: made-up answers must never count
 * as real ones.
 */
let desk: Desk
let second: Simulator
beforeEach(async () => {
  desk = await openDesk()
  second = await startSimulator({ perMinute: 6000, noMatchRate: 0 })
})
afterEach(async () => {
  await second.close()
  await desk.close()
})

const REAL = { TRACKYARD_API_URL: 'https://API.example.test:443/v1/' }
const moved = () => ({ TRACKYARD_API_URL: second.url })
const submit = async (name: string) => [
  'submit',
  await desk.file('films.csv', CATALOG),
  '--query',
  QUERY,
  '--name',
  name,
]

async function answered(): Promise<void> {
  expect((await desk.type(await submit('rehearsal'))).code).toBe(0)
  await desk.work()
  expect(desk.simulator.paid()).toBe(2)
}

test('after a rehearsal the real API is refused with 78 and a remedy', async () => {
  await answered()
  for (const line of [await submit('real'), [...(await submit('real')), '--dry-run'], ['account']]) {
    const { code, stdout, stderr } = await desk.type(line, { env: REAL })
    expect([line[0], code, stdout]).toEqual([line[0], 78, ''])
    expect(stderr).toContain(`belongs to the API at ${desk.simulator.url} (2 answers)`)
    expect(stderr).toContain('TRACKYARD_API_URL is https://api.example.test/v1:')
    expect(stderr).toMatch(/Set TRACKYARD_DATA_DIR to another directory.*account --adopt/)
  }
  expect(await desk.json<{ batches: object[] }>(['status'])).toMatchObject({ batches: [{ name: 'rehearsal' }] })
})

test('before the first call the balance and the limit of another API are not shown as those of this one', async () => {
  expect(await desk.json(['account'])).toMatchObject({ credits_remaining: 50_000 })
  const { code, stdout } = await desk.type(['account', '--json'], { env: REAL })
  expect([code, JSON.parse(stdout)]).toMatchObject([3, { credits_remaining: null, tier: null, heard_at: null }])
  const plan = await desk.json([...(await submit('real')), '--dry-run'], { env: REAL })
  expect(plan).toMatchObject({ credits_remaining: null, calls_per_minute: 5 })
  const away = { TRACKYARD_API_URL: 'http://127.0.0.1:1' }
  expect(JSON.parse((await desk.type(['account', '--json'], { env: away })).stdout)).toMatchObject({
    credits_remaining: 50_000,
    fresh: false,
  })
})

test('a worker of another API starts only on a store without answers', async () => {
  const env = (more: object) => ({
    TRACKYARD_API_URL: desk.simulator.url,
    TRACKYARD_API_KEY: SIMULATOR_KEY,
    TRACKYARD_DATA_DIR: desk.dataDir,
    TRACKYARD_REDIS_URL: desk.redis.url,
    ...more,
  })
  const start = (more: object) =>
    startWorker(settingsOf({ env: env(more), cwd: desk.dir }), silentLogger, NEVER_ABORTED)
  await (await start({})).stop()
  await desk.json(['account', '--adopt'], { env: moved() })
  await (await start({})).stop()
  await answered()
  await desk.json(['account', '--adopt'])
  const calls = second.calls().length
  await expect(start(moved())).rejects.toThrow(/belongs to the API at .*TRACKYARD_DATA_DIR/)
  expect(second.calls()).toHaveLength(calls)
})

test('a rehearsal continues on another port and reuses its answers', async () => {
  await answered()
  expect(await desk.json(await submit('again'), { env: moved() })).toMatchObject({ already_answered: 2 })
})

test('--adopt moves the answers to a new address if the key works there', async () => {
  await answered()
  await desk.json(['account', '--adopt'])
  const wrongKey = { ...moved(), TRACKYARD_API_KEY: 'wrong-key-0123456789' }
  expect((await desk.type(['account', '--adopt'], { env: wrongKey })).code).toBe(78)
  expect((await desk.type(await submit('moved'), { env: moved() })).code).toBe(78)
  const { code, stderr } = await desk.type(['account', '--adopt', '--json'], { env: moved() })
  expect([code, stderr]).toEqual([0, expect.stringContaining(`2 answers of ${desk.simulator.url} count as answers of`)])
  expect(await desk.json(await submit('moved'), { env: moved() })).toMatchObject({ already_answered: 2 })
  expect((await desk.type(['account'])).code).toBe(78)
})
