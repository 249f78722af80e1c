import { mkdir, rmdir } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import type { LogFacts } from '../../src/domain/logger.js'
import { limitRepeats } from '../../src/log/limit-repeats.js'
import { startRedis, type TestRedis } from '../support/redis.js'
import { DONE, eventually, jobs, numberOf, opener, range, recordingLogger } from './setup.js'

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
  readonly sentence: RegExp
}[] = [
  {
    name: 'READONLY',
    begin: () => redis.command('REPLICAOF', '127.0.0.1', '1'),
    end: () => redis.command('REPLICAOF', 'NO', 'ONE'),
    sentence: /is read-only/,
  },
  { name: 'MISCONF', begin: breakDump, end: mendDump, sentence: /cannot write to its disk/ },
  {
    name: 'NOPERM',
    begin: () => redis.command('ACL', 'SETUSER', 'default', '-@write'),
    end: () => redis.command('ACL', 'SETUSER', 'default', '+@all'),
    sentence: /lacks permissions/,
  },
  {
    name: 'NOPERM of a key',
    begin: () => redis.command('ACL', 'SETUSER', 'default', 'resetkeys', '~other:*'),
    end: () => redis.command('ACL', 'SETUSER', 'default', 'allkeys'),
    sentence: /lacks permissions/,
  },
  {
    name: 'OOM',
    begin: () => redis.command('CONFIG', 'SET', 'maxmemory', '1'),
    end: () => redis.command('CONFIG', 'SET', 'maxmemory', '0'),
    sentence: /is full/,
  },
  {
    name: 'NOREPLICAS',
    begin: () => redis.command('CONFIG', 'SET', 'min-replicas-to-write', '1'),
    end: () => redis.command('CONFIG', 'SET', 'min-replicas-to-write', '0'),
    sentence: /while its replicas are away/,
  },
  {
    name: 'MASTERDOWN',
    begin: async () => {
      await redis.command('CONFIG', 'SET', 'replica-serve-stale-data', 'no')
      await redis.command('REPLICAOF', '127.0.0.1', '1')
    },
    end: () => redis.command('REPLICAOF', 'NO', 'ONE'),
    sentence: /has lost its primary|is read-only/,
  },
  {
    name: 'BUSY',
    begin: async () => {
      await redis.command('CONFIG', 'SET', 'lua-time-limit', '100')
      redis.command('EVAL', 'while true do end', '0').catch(() => {})
    },
    end: () => redis.command('SCRIPT', 'KILL'),
    sentence: /is busy with a script/,
  },
]

describe.each(troubles)('a Redis that refuses with $name', ({ begin, end, sentence }) => {
  test('busy workers write few lines, rest, and then run every job once', async () => {
    const { lines, log, raw } = recording()
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
    await eventually('it is told', () => lines.some((line) => sentence.test(line.sentence)))
    const cpu = process.cpuUsage()
    await sleep(4000)
    const { user, system } = process.cpuUsage(cpu)
    expect(lines.length).toBeLessThan(10)
    // Unhindered, the two loops try some thousand times a second.
    expect(raw.lines.length).toBeLessThan(150)
    expect((user + system) / 4_000_000).toBeLessThan(0.25)
    await end()
    await eventually('all is done', async () => handled.length >= 40 && (await isEmpty(queue)))
    await eventually('the end is told', () => lines.some((line) => /takes writes again/.test(line.sentence)))
    expect(new Set(handled).size).toBe(40)
    expect(lines.filter((line) => /takes writes again/.test(line.sentence))).toHaveLength(1)
    expect(lines.length).toBeLessThan(12)
  }, 120_000)

  test('idle workers take a job within seconds of the end', async () => {
    const { lines, log } = recording()
    const queue = await open.queue({ log })
    const handled: number[] = []
    await open.work(queue, async ({ ref }) => {
      handled.push(numberOf(ref))
      return DONE
    })
    await sleep(500)
    await begin()
    await sleep(3000)
    expect(lines.length).toBeLessThan(10)
    await end()
    await eventually(
      'it takes a job',
      async () => {
        await queue.searches.add(jobs([1])).catch(() => {})
        return handled.length === 1
      },
      20_000,
    )
  }, 120_000)
})

function recording() {
  const raw = recordingLogger()
  const shown = recordingLogger()
  const limited = limitRepeats(shown, () => performance.now())
  const both = (level: 'debug' | 'info' | 'warn' | 'error') => (facts: LogFacts, sentence: string) => {
    raw[level](facts, sentence)
    limited[level](facts, sentence)
  }
  return {
    raw,
    lines: shown.lines,
    log: { debug: both('debug'), info: both('info'), warn: both('warn'), error: both('error') },
  }
}

async function isEmpty(queue: { searches: { counts(): Promise<{ waiting: number; active: number }> } }) {
  const { waiting, active } = await queue.searches.counts()
  return waiting + active === 0
}
