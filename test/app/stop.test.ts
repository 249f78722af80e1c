import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from '@jest/globals'
import { Redis } from 'ioredis'
import { withCleanup } from '../../src/app/cleanup.js'
import { openConfiguredQueue } from '../../src/app/parts.js'
import { stopEverything } from '../../src/app/stop.js'
import { loadSettings } from '../../src/config/load-settings.js'
import type { Settings } from '../../src/config/settings.js'
import { systemClock } from '../../src/domain/clock.js'
import { NotFinishedError, UnreachableError } from '../../src/domain/errors.js'
import { silentLogger } from '../../src/domain/logger.js'
import { findPrivateRedis, stopPrivateRedis } from '../../src/queue/private-redis/private-redis.js'
import type { WorkerRegistry } from '../../src/queue/worker-registry.js'
import { until } from '../support/until.js'

/** What comes in the way of a `down` that has asked already. A worker is its heartbeat. */
async function whileItWaits(
  play: (down: {
    readonly ended: Promise<unknown>
    readonly settings: Settings
    readonly registry: WorkerRegistry
  }) => Promise<void>,
): Promise<void> {
  const dataDir = await mkdtemp(join(tmpdir(), 'stop-'))
  const settings = loadSettings({ TRACKYARD_DATA_DIR: dataDir })
  await withCleanup(async (cleanup) => {
    cleanup.add(async () => {
      await stopPrivateRedis({ dataDir })
      await rm(dataDir, { recursive: true })
    })
    const { registry } = await openConfiguredQueue(settings, silentLogger, cleanup, systemClock)
    await registry.heartbeat({ id: 'first', writeFailure: null })
    const ended = stopEverything(settings).catch((error: unknown) => error)
    await until(() => registry.isStopRequested(), { timeoutMs: 60_000, what: 'the stop request' })
    await play({ ended, settings, registry })
  })
}

test('a worker that is started meanwhile runs on, and so does Redis', () =>
  whileItWaits(async ({ ended, settings, registry }) => {
    await registry.heartbeat({ id: 'second', writeFailure: null })
    await registry.unregister('first')
    expect(await ended).toEqual(expect.any(NotFinishedError))
    expect(await ended).toHaveProperty('message', expect.stringMatching(/another one was started meanwhile/))
    expect(await registry.workers()).toBe(1)
    await registry.unregister('second')
    expect(await stopEverything(settings)).toMatchObject({ workers: 0, redis: true })
  }))

test('two at once both end, although the first to see no worker stops Redis', () =>
  whileItWaits(async ({ ended, settings, registry }) => {
    const { socketPath = '' } = (await findPrivateRedis(settings)) ?? {}
    const redis = new Redis({ path: socketPath })
    const token = '{trackyard}:stop'
    await redis.del(token)
    const second = stopEverything(settings)
    // It asks after it has seen the worker.
    await until(async () => (await redis.exists(token)) === 1, { timeoutMs: 60_000, what: 'the second stop request' })
    redis.disconnect()
    await registry.unregister('first')
    const both = [await ended, await second]
    expect(both).toContainEqual({ workers: 1, redis: true, unsaved: [] })
    expect(both).toContainEqual({ workers: 1, redis: false, unsaved: [] })
  }))

test('a private Redis that freezes is named with its pid', () =>
  whileItWaits(async ({ ended, settings }) => {
    const { pid = 0 } = (await findPrivateRedis(settings)) ?? {}
    process.kill(pid, 'SIGSTOP')
    try {
      expect(await ended).toEqual(expect.any(UnreachableError))
      expect(await ended).toHaveProperty('message', expect.stringContaining(`(pid ${pid}) is running, but its socket`))
    } finally {
      process.kill(pid, 'SIGCONT')
    }
  }))
