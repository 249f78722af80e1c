import { randomUUID } from 'node:crypto'
import { isRecord, parseJson } from '../domain/json.js'
import type { WriteFailure } from '../domain/pause.js'
import { damagedKeys, removeKeys } from './damage.js'
import { HEARTBEAT_TTL_MS } from './heartbeat.js'
import type { RedisClient } from './redis-client.js'
import { isWrongType } from './redis-error.js'
import type { RefusedCommands } from './refused-commands.js'

/**
 * The few keys of ours beside BullMQ's: the Redis owner (whose window this is), the workers that are alive (one key
 * each, with its write failure, expired by Redis's clock), the leases of maintenance tasks, the token that `down` leaves, the
 * settings that workers share, and the latest call.
 */

/** The Redis owner, the live workers, and the leases of maintenance tasks. */
export interface WorkerRegistry {
  /** The id of the store whose window this Redis holds; null: none, Redis lost its data, or the key is damaged. */
  owner(): Promise<string | null>
  /** A random id of this Redis, given with its owner and lost with its data; null: no owner. The store may remember it. */
  queueId(): Promise<string | null>
  /** The damaged keys under our prefix. Single jobs are not checked. */
  damage(): Promise<readonly string[]>
  /** Removes every key under our prefix except that lease, which this process holds and keeps for `ms` more. */
  clear(lease: string, ms: number): Promise<void>
  /** False: another store is the owner already. */
  claimOwnership(storeId: string): Promise<boolean>
  /** True: this process may run the task for that long. A call by the holder extends the lease; others get false. */
  lease(task: string, ms: number): Promise<boolean>
  /** Default: every task whose lease this process holds. */
  release(task?: string): Promise<void>
  /** The settings of the worker that sets the rate, for all others to compare. They expire after 30 s. */
  publishSettings(settings: Readonly<Record<string, string>>): Promise<void>
  publishedSettings(): Promise<Readonly<Record<string, unknown>>>
  /** The number of the latest call in the store: one that has fewer was restored from an older backup. */
  keepLatestCall(call: number): Promise<void>
  /** 0: not known. */
  latestCall(): Promise<number>
  /** Marks a worker as alive for `HEARTBEAT_TTL_MS`, with the write failure that keeps it from making calls. */
  heartbeat(worker: {
    readonly id: string
    readonly writeFailure: WriteFailure | null
    readonly facts?: WorkerFacts
  }): Promise<void>
  unregister(workerId: string): Promise<void>
  /** Counts a worker as missing before its heartbeat expires. */
  expire(workerId: string): Promise<void>
  /** The live workers, in a stable order. @throws UnreachableError also where Redis refuses changes, and so heartbeats */
  live(): Promise<readonly LiveWorker[]>
  /** How many are alive. */
  workers(): Promise<number>
  /** Workers that are not alive and did not unregister: they were killed, or Redis was away for longer than a heartbeat lasts. */
  missing(): Promise<readonly string[]>
  /** For `down`: asks every process that has a queue open to stop. */
  askToStop(): Promise<void>
  /** Whether `askToStop` was called in the last minute, and after this queue was opened. */
  isStopRequested(): Promise<boolean>
  /** Warnings about this Redis: eviction policy, missing append-only file, version. */
  warnings(): Promise<readonly string[]>
  /** The address, without password. */
  describe(): string
}

/** Where a worker runs and what it does, as of its last heartbeat. */
export interface WorkerFacts {
  readonly host: string
  readonly pid: number
  /** Epoch milliseconds. */
  readonly startedAt: number
  /** Calls in flight. */
  readonly inFlight: number
  /** Whether it sends notifications. */
  readonly hasWebhook: boolean
  /** Settings that differ from what is published for all. */
  readonly mismatches: readonly SettingMismatch[]
}

export interface SettingMismatch {
  readonly setting: string
  readonly here: string
  readonly inForce: string
}

export interface LiveWorker {
  readonly id: string
  /** Null: a worker that waits for its store. */
  readonly facts: WorkerFacts | null
  readonly writeFailure: WriteFailure | null
}

const STOP_TTL_MS = 60_000
const SETTINGS_TTL_MS = 30_000

/**
 * Sticky: a call by the holder extends the lease. A damaged lease (not a string, or without expiry) is free, and so is one
 * that lasts far longer than was asked for: the clock was set back while Redis was stopped.
 */
const LEASE = `
local holder = redis.pcall('GET', KEYS[1])
local left = redis.call('PTTL', KEYS[1])
if type(holder) == 'string' and holder ~= ARGV[1] and left > 0 and left <= 10 * ARGV[2] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
`

const RELEASE = `
for _, key in ipairs(KEYS) do
  if redis.pcall('GET', key) == ARGV[1] then redis.call('DEL', key) end
end
`

/** KEYS: the set of worker ids. ARGV: the prefix of worker keys. A key of another type is damage, which a heartbeat repairs. */
const MISSING_WORKERS = `
local missing = {}
for _, id in ipairs(redis.call('SMEMBERS', KEYS[1])) do
  if redis.call('EXISTS', ARGV[1] .. id) == 0 then table.insert(missing, id) end
end
return missing
`

/**
 * KEYS: as above, and one for a test write. ARGV: the prefix of worker keys, the time to live in ms. Returns id and value of
 * each live worker in turn. The test write fails where Redis refuses changes: it takes no heartbeats, so nobody can tell
 * who is alive. No worker writes a key without expiry. A damaged one gets an expiry here, or it would count forever.
 */
const LIVE_WORKERS = `
redis.call('SET', KEYS[2], '1', 'PX', 1000)
local live = {}
for _, id in ipairs(redis.call('SMEMBERS', KEYS[1])) do
  local key = ARGV[1] .. id
  local json = redis.pcall('GET', key)
  if type(json) == 'string' then
    if redis.call('PTTL', key) < 0 then redis.call('PEXPIRE', key, ARGV[2]) end
    table.insert(live, id)
    table.insert(live, json)
  end
end
return live
`

/**
 * Returns the queue id of this Redis's owner, after setting the new one if it has none; nil: no owner.
 * KEYS: the Redis owner, the queue id. ARGV: a new id.
 */
const QUEUE_ID = `
if redis.call('EXISTS', KEYS[1]) == 0 then return nil end
redis.call('SET', KEYS[2], ARGV[1], 'NX')
return redis.call('GET', KEYS[2])
`

export async function openWorkerRegistry(parts: {
  readonly redis: RedisClient
  readonly prefix: string
  /** A key that may be written. */
  readonly probeKey: string
  readonly where: string
  /** The names of the BullMQ queues under the prefix. */
  readonly queues: readonly string[]
  readonly refusals: Pick<RefusedCommands, 'damaged' | 'forgetDamage'>
}): Promise<WorkerRegistry> {
  const { redis, prefix, probeKey, where, queues, refusals } = parts
  /** This process, as the holder of leases. */
  const holder = randomUUID()
  const ownerKey = `${prefix}:store`
  const stopKey = `${prefix}:stop`
  const queueIdKey = `${prefix}:queue-id`
  const settingsKey = `${prefix}:settings`
  const latestCallKey = `${prefix}:latest-call`
  const workersKey = `${prefix}:workers`
  const workerKey = (id: string) => `${prefix}:worker:${id}`
  const leaseKey = (task: string) => `${prefix}:lease:${task}`
  const leased = new Set<string>()
  /** Clocks of different machines disagree, so a process compares tokens, not moments. */
  const stopTokenAtOpen = await getString(redis, stopKey)
  return {
    owner: () => getString(redis, ownerKey),
    queueId: async () => {
      const id = await redis.eval(QUEUE_ID, 2, ownerKey, queueIdKey, randomUUID())
      return id === null ? null : String(id)
    },
    damage: async () => {
      const keys = await damagedKeys(redis, prefix, queues)
      return keys.length === 0 && refusals.damaged() ? [`${prefix}:*`] : keys
    },
    clear: async (lease, ms) => {
      await removeKeys(redis, prefix, {
        first: ownerKey,
        kept: leaseKey(lease),
        meanwhile: () => redis.eval(LEASE, 1, leaseKey(lease), holder, Math.ceil(ms)),
      })
      refusals.forgetDamage()
    },
    claimOwnership: async (storeId) => {
      const taken = await redis.set(ownerKey, storeId, 'NX')
      return taken === 'OK' || (await redis.get(ownerKey)) === storeId
    },
    lease: async (task, ms) => {
      leased.add(task)
      return Number(await redis.eval(LEASE, 1, leaseKey(task), holder, Math.ceil(ms))) === 1
    },
    release: async (task) => {
      const keys = (task === undefined ? [...leased] : [task]).map(leaseKey)
      await redis.eval(RELEASE, keys.length, ...keys, holder)
    },
    publishSettings: async (settings) => {
      await redis.set(settingsKey, JSON.stringify(settings), 'PX', SETTINGS_TTL_MS)
    },
    publishedSettings: async () => fieldsOf((await redis.get(settingsKey)) ?? ''),
    keepLatestCall: async (call) => {
      await redis.set(latestCallKey, String(call))
    },
    latestCall: async () => Number(await redis.get(latestCallKey)),
    heartbeat: async ({ id, writeFailure, facts }) => {
      const json = JSON.stringify({ ...writeFailure, ...facts })
      await redis.multi().set(workerKey(id), json, 'PX', HEARTBEAT_TTL_MS).sadd(workersKey, id).exec()
    },
    unregister: async (workerId) => {
      await redis.multi().del(workerKey(workerId)).srem(workersKey, workerId).exec()
    },
    expire: async (workerId) => {
      await redis.del(workerKey(workerId))
    },
    live,
    workers: async () => (await live()).length,
    missing: async () => (await redis.eval(MISSING_WORKERS, 1, workersKey, workerKey(''))) as string[],
    askToStop: async () => {
      // Any new value would do.
      await redis.set(stopKey, String(Date.now()), 'PX', STOP_TTL_MS)
    },
    isStopRequested: async () => {
      const token = await redis.get(stopKey)
      return token !== null && token !== stopTokenAtOpen
    },
    warnings: async () => warningsIn(await redis.info()),
    describe: () => where,
  }

  async function live(): Promise<readonly LiveWorker[]> {
    const reply = await redis.eval(LIVE_WORKERS, 2, workersKey, probeKey, workerKey(''), HEARTBEAT_TTL_MS)
    const values = Array.isArray(reply) ? reply.map(String) : []
    const workers = values.flatMap((id, index) => (index % 2 === 0 ? [liveWorker(id, values[index + 1] ?? '')] : []))
    return workers.toSorted((a, b) => (a.facts?.startedAt ?? 0) - (b.facts?.startedAt ?? 0) || (a.id < b.id ? -1 : 1))
  }
}

/** Null: missing, or damaged (of another type). */
async function getString(redis: RedisClient, key: string): Promise<string | null> {
  try {
    return await redis.get(key)
  } catch (error) {
    if (isWrongType(error)) return null
    throw error
  }
}

function liveWorker(id: string, json: string): LiveWorker {
  const { host, pid, startedAt, inFlight, hasWebhook, mismatches } = fieldsOf(json)
  const isKnown =
    typeof host === 'string' && typeof pid === 'number' && typeof startedAt === 'number' && typeof inFlight === 'number'
  const facts = isKnown
    ? { host, pid, startedAt, inFlight, hasWebhook: hasWebhook === true, mismatches: parseMismatches(mismatches) }
    : null
  return { id, facts, writeFailure: parseWriteFailure(json) }
}

/** Ignores what is damaged, or from another version. */
function parseMismatches(found: unknown): SettingMismatch[] {
  return (Array.isArray(found) ? found : []).flatMap((each: unknown) => {
    const { setting, here, inForce } = isRecord(each) ? each : {}
    const isKnown = typeof setting === 'string' && typeof here === 'string' && typeof inForce === 'string'
    return isKnown ? [{ setting, here, inForce }] : []
  })
}

/** Ignores a value that is damaged, or from another version. */
function parseWriteFailure(json: string): WriteFailure | null {
  const { kind, since, cause } = fieldsOf(json)
  if ((kind !== 'save' && kind !== 'claim' && kind !== 'lost') || typeof since !== 'number') return null
  return typeof cause === 'string' ? { kind, since, cause } : null
}

function fieldsOf(json: string): Readonly<Record<string, unknown>> {
  const value = parseJson(json)
  return isRecord(value) ? value : {}
}

/** From INFO, which managed Redis services allow where they forbid CONFIG. No warning for a fact that INFO omits. */
export function warningsIn(info: string): readonly string[] {
  const fact = (name: string) => new RegExp(`^${name}:(.*?)\\r?$`, 'm').exec(info)?.[1] ?? null
  const policy = fact('maxmemory_policy')
  const version = fact('valkey_version') === null ? fact('redis_version') : null
  return [
    policy !== null && policy !== 'noeviction'
      ? `Redis may evict jobs when it is full (maxmemory-policy ${policy}). Set maxmemory-policy noeviction.`
      : null,
    fact('aof_enabled') === '0'
      ? 'Redis has no append-only file (appendonly no), so a restart rebuilds the queue from the store. Set appendonly yes.'
      : null,
    version !== null && isOlderThan62(version)
      ? `Redis ${version} is older than 6.2, which BullMQ recommends. Upgrade Redis.`
      : null,
  ].filter((warning) => warning !== null)
}

function isOlderThan62(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  return major < 6 || (major === 6 && minor < 2)
}
