import { mkdir, rmdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { LogFacts } from '../../src/domain/logger.js'
import { limitRepeats } from '../../src/log/limit-repeats.js'
import { recordingLogger } from '../support/recording-logger.js'
import type { TestRedis } from '../support/redis.js'
import { eventually } from './setup.js'

/** A Redis that answers every command with an error, for a real reason. */
/** A directory stands where the dump should be: saving fails, and Redis refuses changes. */
export async function breakDump(redis: TestRedis): Promise<void> {
  await mkdir(join(redis.dir, 'dump.rdb'))
  await redis.command('CONFIG', 'SET', 'save', '3600 1000000')
  await redis.command('BGSAVE')
  await eventually('the dump has failed', async () =>
    /rdb_last_bgsave_status:err/.test(await redis.command('INFO', 'persistence')),
  )
}

export async function mendDump(redis: TestRedis): Promise<void> {
  await rmdir(join(redis.dir, 'dump.rdb'))
  await redis.command('BGSAVE')
}

export interface Refusal {
  readonly name: string
  readonly begin: (redis: TestRedis) => Promise<unknown>
  readonly end: (redis: TestRedis) => Promise<unknown>
  /** One of these is logged. */
  readonly events: readonly string[]
}

/** Why a Redis refuses, and how it is made to. */
export const REFUSALS: readonly Refusal[] = [
  {
    name: 'READONLY',
    begin: (redis) => redis.command('REPLICAOF', '127.0.0.1', '1'),
    end: (redis) => redis.command('REPLICAOF', 'NO', 'ONE'),
    events: ['redis.read_only'],
  },
  { name: 'MISCONF', begin: breakDump, end: mendDump, events: ['redis.disk_failed'] },
  {
    name: 'NOPERM',
    begin: (redis) => redis.command('ACL', 'SETUSER', 'default', '-@write'),
    end: (redis) => redis.command('ACL', 'SETUSER', 'default', '+@all'),
    events: ['redis.permission_denied'],
  },
  {
    name: 'NOPERM of a key',
    begin: (redis) => redis.command('ACL', 'SETUSER', 'default', 'resetkeys', '~other:*'),
    end: (redis) => redis.command('ACL', 'SETUSER', 'default', 'allkeys'),
    events: ['redis.permission_denied'],
  },
  {
    name: 'OOM',
    begin: (redis) => redis.command('CONFIG', 'SET', 'maxmemory', '1'),
    end: (redis) => redis.command('CONFIG', 'SET', 'maxmemory', '0'),
    events: ['redis.full'],
  },
  {
    name: 'NOREPLICAS',
    begin: (redis) => redis.command('CONFIG', 'SET', 'min-replicas-to-write', '1'),
    end: (redis) => redis.command('CONFIG', 'SET', 'min-replicas-to-write', '0'),
    events: ['redis.replicas_lost'],
  },
  {
    name: 'MASTERDOWN',
    begin: async (redis) => {
      await redis.command('CONFIG', 'SET', 'replica-serve-stale-data', 'no')
      await redis.command('REPLICAOF', '127.0.0.1', '1')
    },
    end: (redis) => redis.command('REPLICAOF', 'NO', 'ONE'),
    events: ['redis.replicas_lost', 'redis.read_only'],
  },
  {
    name: 'BUSY',
    begin: async (redis) => {
      await redis.command('CONFIG', 'SET', 'lua-time-limit', '100')
      redis.command('EVAL', 'while true do end', '0').catch(() => {})
    },
    end: (redis) => redis.command('SCRIPT', 'KILL'),
    events: ['redis.busy'],
  },
]

/** What the queue logs, and what is shown of it. */
export function recording() {
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
