import { Redis, type RedisOptions } from 'ioredis'
import { type RedisAddress, type RedisPlace, redisOptionsOf } from './redis-address.js'

/** How long an absent Redis may delay shutdown. */
export const CLOSE_TIMEOUT_MS = 1000

export interface LastingOptions extends RedisPlace {
  readonly maxRetriesPerRequest: null
  readonly enableOfflineQueue: true
  readonly connectTimeout: number
  readonly disconnectTimeout: number
  readonly socketTimeout: number
  readonly retryStrategy: (times: number) => number
  readonly reconnectOnError: (error: Error) => boolean
}

/** What BullMQ's workers connect with. Undefined values must not appear: BullMQ takes them for settings. */
export function lastingOptions(address: RedisAddress, silenceMs = SILENCE_MS): LastingOptions {
  return {
    ...redisOptionsOf(address),
    maxRetriesPerRequest: null,
    enableOfflineQueue: true,
    connectTimeout: 3000,
    disconnectTimeout: 200,
    socketTimeout: silenceMs,
    retryStrategy: reconnectAfterMs,
    reconnectOnError: reconnectWhenReadOnly(),
  }
}

/**
 * A connection on which an answer is due and nothing comes is dead, though nobody has closed it: a firewall has forgotten
 * it, or a failover took the address. BullMQ's blocking reads are answered every 10 s at the latest.
 */
const SILENCE_MS = 20_000

const RECONNECT_EVERY_MS = 10_000

/** Reconnects after READONLY: after a failover the name may lead to the new primary, and this server stays read-only. */
function reconnectWhenReadOnly(): (error: Error) => boolean {
  let last = 0
  return (error) => {
    if (!error.message.startsWith('READONLY') || performance.now() - last < RECONNECT_EVERY_MS) return false
    last = performance.now()
    return true
  }
}

/** Soon at first, then every second, so that work resumes within two seconds of Redis's return. */
export function reconnectAfterMs(times: number): number {
  return Math.min(times * 100, 1000)
}

/**
 * Keeps a worker's two connections, so that they can be cut. (BullMQ duplicates the first for its blocking reads.)
 * BullMQ's own close waits for an answer: with Redis away or frozen it would wait, and keep the process alive,
 * forever.
 */
export interface WorkerConnection {
  readonly redis: Redis
  /** Ends both in any state, and rejects their pending commands. Safe to repeat. */
  cut(): void
}

export function openWorkerConnection(lasting: LastingOptions): WorkerConnection {
  let ended = false
  const retryStrategy = (times: number) => (ended ? null : reconnectAfterMs(times))
  const redis = hidePolicy(new Redis({ ...lasting, retryStrategy }))
  const all = [redis]
  const duplicate = redis.duplicate.bind(redis)
  redis.duplicate = (override?: Partial<RedisOptions>) => {
    const copy = hidePolicy(duplicate(override))
    all.push(copy)
    return copy
  }
  // The queue's own connection logs outages; the worker listens to errors as well.
  redis.on('error', () => {})
  return {
    redis,
    cut: () => {
      ended = true
      for (const one of all) end(one)
    },
  }
}

/**
 * BullMQ reads INFO for the version, which decides how exactly it waits for delayed jobs. From the same INFO it prints an
 * eviction warning, one per connection. Removing the policy prevents that: our own warning is logged once.
 */
function hidePolicy(redis: Redis): Redis {
  const info = redis.info.bind(redis) as (...args: unknown[]) => Promise<string>
  // A call with a callback is ioredis's own check that the server is ready.
  redis.info = ((...args: unknown[]) => (args.length > 0 ? info(...args) : info().then(removePolicy))) as Redis['info']
  return redis
}

function removePolicy(text: string): string {
  return text.replace(/^maxmemory_policy:.*\r?\n/m, '')
}

/** A connection that waits to reconnect would never emit its end: connect once more, and disconnect on either result. */
function end(redis: Redis): void {
  if (redis.status === 'end') return
  const waitsToReconnect = redis.status === 'reconnecting'
  redis.disconnect()
  if (waitsToReconnect) {
    redis.connect().then(
      () => redis.disconnect(),
      () => {},
    )
  }
}
