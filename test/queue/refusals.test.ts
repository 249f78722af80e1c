import { mkdir, rmdir } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import type { LogFacts } from '../../src/domain/logger.js'
import { limitRepeats } from '../../src/log/limit-repeats.js'
import { recordingLogger } from '../support/recording-logger.js'
import { startRedis, type TestRedis } from '../support/redis.js'
import { DONE, eventually, jobs, numberOf, opener, range } from './setup.js'

/** A Redis that answers every command with an error, for a real reason. */
let redis: TestRedis
const open = opener(() => redis)
beforeEach(async () => {
  redis = await startRedis()
})
afterEach(async () => {
  await open.closeAll()
  await redis.stop()
})

// BullMQ's check for stalled jobs rests so long after an error, and does not hear that it is closed.
afterAll(() => sleep(5000))

const dumpFile = () => join(redis.dir, 'dump.rdb')

/** A directory stands where the dump should be: saving fails, and Redis refuses changes. */
async function breakDump(): Promise<void> {
  await mkdir(dumpFile())
  await redis.command('CONFIG', 'SET', 'save', '3600 1000000')
  await redis.command('BGSAVE')
  await eventually('the dump has failed', async () =>
    /rdb_last_bgsave_status:err/.test(await redis.command('INFO', 'persistence')),
  )
}

async function mendDump(): Promise<void> {
  await rmdir(dumpFile())
  await redis.command('BGSAVE')
}

const troubles: readonly {
  readonly name: string
  readonly begin: () => Promise<unknown>
  readonly end: () => Promise<unknown>
  readonly events: readonly string[]
}[] = [
  {
    name: 'READONLY',
    begin: () => redis.command('REPLICAOF', '127.0.0.1', '1'),
    end: () => redis.command('REPLICAOF', 'NO', 'ONE'),
    events: ['redis.read_only'],
  },
  { name: 'MISCONF', begin: breakDump, end: mendDump, events: ['redis.disk_failed'] },
  {
    name: 'NOPERM',
    begin: () => redis.command('ACL', 'SETUSER', 'default', '-@write'),
    end: () => redis.command('ACL', 'SETUSER', 'default', '+@all'),
    events: ['redis.permission_denied'],
  },
  {
    name: 'NOPERM of a key',
    begin: () => redis.command('ACL', 'SETUSER', 'default', 'resetkeys', '~other:*'),
    end: () => redis.command('ACL', 'SETUSER', 'default', 'allkeys'),
    events: ['redis.permission_denied'],
  },
  {
    name: 'OOM',
    begin: () => redis.command('CONFIG', 'SET', 'maxmemory', '1'),
    end: () => redis.command('CONFIG', 'SET', 'maxmemory', '0'),
    events: ['redis.full'],
  },
  {
    name: 'NOREPLICAS',
    begin: () => redis.command('CONFIG', 'SET', 'min-replicas-to-write', '1'),
    end: () => redis.command('CONFIG', 'SET', 'min-replicas-to-write', '0'),
    events: ['redis.replicas_lost'],
  },
  {
    name: 'MASTERDOWN',
    begin: async () => {
      await redis.command('CONFIG', 'SET', 'replica-serve-stale-data', 'no')
      await redis.command('REPLICAOF', '127.0.0.1', '1')
    },
    end: () => redis.command('REPLICAOF', 'NO', 'ONE'),
    events: ['redis.replicas_lost', 'redis.read_only'],
  },
  {
    name: 'BUSY',
    begin: async () => {
      await redis.command('CONFIG', 'SET', 'lua-time-limit', '100')
      redis.command('EVAL', 'while true do end', '0').catch(() => {})
    },
    end: () => redis.command('SCRIPT', 'KILL'),
    events: ['redis.busy'],
  },
]

describe.each(troubles)('a Redis that refuses with $name', ({ begin, end, events }) => {
  test('busy workers write few lines, rest, and then run every job once', async () => {
    const { shown, log, raw } = recording()
    const queue = await open.queue({ log })
    const handled: number[] = []
    let letGo = (): void => {}
    const held = new Promise<void>((resolve) => {
      letGo = resolve
    })
    await open.work(
      queue,
      async ({ ref }) => {
        handled.push(numberOf(ref))
        if (handled.length > 3) await held
        return DONE
      },
      // The three that ended meanwhile come back when their locks have run out.
      { concurrency: 3, lockDurationMs: 2000 },
    )
    await queue.deadLetters.work({ retry: async () => {} })
    await queue.searches.add(jobs(range(1, 40)))
    await eventually('three wait for their turn to end', () => handled.length === 6)
    await begin()
    letGo()
    await eventually('it is told', () => events.some((event) => shown.logged(event).length > 0))
    const cpu = process.cpuUsage()
    await sleep(4000)
    const { user, system } = process.cpuUsage(cpu)
    expect(shown.lines.length).toBeLessThan(10)
    // Unhindered, the two loops try some thousand times a second.
    expect(raw.lines.length).toBeLessThan(150)
    expect((user + system) / 4_000_000).toBeLessThan(0.25)
    await end()
    await eventually('all is done', async () => handled.length >= 40 && (await isEmpty(queue)))
    await eventually('the end is told', () => shown.logged('redis.writes_resumed').length > 0)
    expect(new Set(handled).size).toBe(40)
    expect(shown.logged('redis.writes_resumed')).toHaveLength(1)
    expect(shown.lines.length).toBeLessThan(12)
  }, 240_000)

  test('idle workers take a job within seconds of the end', async () => {
    const { shown, log } = recording()
    const queue = await open.queue({ log })
    const handled: number[] = []
    await open.work(queue, async ({ ref }) => {
      handled.push(numberOf(ref))
      return DONE
    })
    await sleep(500)
    await begin()
    await sleep(3000)
    expect(shown.lines.length).toBeLessThan(10)
    await end()
    await eventually(
      'it takes a job',
      async () => {
        await queue.searches.add(jobs([1])).catch(() => {})
        return handled.length === 1
      },
      20_000,
    )
  }, 240_000)
})

function recording() {
  const raw = recordingLogger()
  const shown = recordingLogger()
  const limited = limitRepeats(shown, () => performance.now())
  const both = (level: 'debug' | 'info' | 'warn' | 'error') => (facts: LogFacts, message: string) => {
    raw[level](facts, message)
    limited[level](facts, message)
  }
  return {
    raw,
    shown,
    log: { debug: both('debug'), info: both('info'), warn: both('warn'), error: both('error') },
  }
}

async function isEmpty(queue: { searches: { counts(): Promise<{ waiting: number; active: number }> } }) {
  const { waiting, active } = await queue.searches.counts()
  return waiting + active === 0
}
