import { afterEach, beforeEach, expect, test } from '@jest/globals'
import { settingsOf } from '../../src/app/entry.js'
import { HOST_PREFIX } from '../../src/app/healthy.js'
import { startWorker } from '../../src/app/start-worker.js'
import { NEVER_ABORTED } from '../../src/domain/abortable.js'
import { silentLogger } from '../../src/domain/logger.js'
import { SIMULATOR_KEY } from '../../src/simulator/options.js'
import { until } from '../support/until.js'
import { type Desk, openDesk } from './setup.js'

let desk: Desk
beforeEach(async () => {
  desk = await openDesk()
})
afterEach(() => desk.close())

const healthy = async () => (await desk.type(['worker', '--healthy'])).code

test('worker --healthy exits with 0 only while a worker runs on this host', async () => {
  expect(await desk.type(['worker', '--healthy'])).toMatchObject({ code: 1, stderr: '' })
  const env = {
    TRACKYARD_API_URL: desk.simulator.url,
    TRACKYARD_API_KEY: SIMULATOR_KEY,
    TRACKYARD_DATA_DIR: desk.dataDir,
    TRACKYARD_REDIS_URL: desk.redis.url,
  }
  const worker = await startWorker(settingsOf({ env, cwd: desk.dir }), silentLogger, NEVER_ABORTED)
  try {
    await until(async () => (await healthy()) === 0, { timeoutMs: 120_000, what: 'a heartbeat' })
  } finally {
    await worker.stop()
  }
  expect(await healthy()).toBe(1)
  for (const id of ['elsewhere 1', `${HOST_PREFIX.trim()}2 1`]) {
    await desk.redis.command('SET', `{trackyard}:worker:${id}`, '', 'PX', '60000')
    await desk.redis.command('SADD', '{trackyard}:workers', id)
  }
  expect((await desk.json<{ queue: { workers: number } }>(['status'])).queue.workers).toBe(2)
  expect(await healthy()).toBe(1)
})

test('worker --healthy fails without a reachable Redis', async () => {
  const away = await desk.type(['worker', '--healthy'], { env: { TRACKYARD_REDIS_URL: 'redis://127.0.0.1:1' } })
  expect(away.code).toBe(3)
  expect((await desk.type(['worker', '--healthy'], { env: { TRACKYARD_REDIS_URL: '' } })).code).toBe(1)
})
