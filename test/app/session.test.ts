import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from '@jest/globals'
import { createCleanup } from '../../src/app/cleanup.js'
import { openSession } from '../../src/app/parts.js'
import { readStatus } from '../../src/app/session.js'
import { loadSettings } from '../../src/config/load-settings.js'
import { silentLogger } from '../../src/domain/logger.js'
import { startOrConnectPrivateRedis, stopPrivateRedis } from '../../src/queue/private-redis/private-redis.js'

/** A command that takes longer, such as `wait`, and a private Redis that comes and goes. */
let dataDir: string
beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'session-'))
})
afterEach(async () => {
  await stopPrivateRedis({ dataDir })
  await rm(dataDir, { recursive: true })
})

test('what it has asked a Redis that is stopped fails at once; the next question finds the one that runs', async () => {
  const cleanup = createCleanup()
  const session = await openSession(loadSettings({ TRACKYARD_DATA_DIR: dataDir }), silentLogger, cleanup)
  try {
    const first = await session.openQueue()
    await stopPrivateRedis({ dataDir })
    await expect(first.registry.live()).rejects.toThrow(/is gone: the connection to it was lost/)
    expect(await session.findQueue()).toBeNull()
    expect(await readStatus(session, { limit: 1 })).toMatchObject({ redisProblem: null })

    await startOrConnectPrivateRedis({ dataDir, log: silentLogger })
    const [second, same] = await Promise.all([session.openQueue(), session.findQueue()])
    expect(second).not.toBe(first)
    expect(same).toBe(second)
    expect(await second.registry.workers()).toBe(0)
  } finally {
    await cleanup.runAll()
  }
})

test('a killed one leaves its socket, and a command waits until it is started again', async () => {
  const cleanup = createCleanup()
  const session = await openSession(loadSettings({ TRACKYARD_DATA_DIR: dataDir }), silentLogger, cleanup)
  try {
    const queue = await session.openQueue()
    const { pid } = await startOrConnectPrivateRedis({ dataDir, log: silentLogger })
    process.kill(pid, 'SIGKILL')
    const asked = queue.registry.workers()
    await startOrConnectPrivateRedis({ dataDir, log: silentLogger })
    expect(await asked).toBe(0)
    expect(queue.isLost()).toBe(false)
  } finally {
    await cleanup.runAll()
  }
})
