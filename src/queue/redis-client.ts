import { setTimeout as sleep } from 'node:timers/promises'
import type { RedisOptions } from 'ioredis'
import { Cluster, Redis } from './ioredis.js'
import { connectionOptionsOf, type RedisAddress } from './redis-address.js'

/** One connection to a server, or to the primary that sentinels name; or one to each node of a cluster. */
export type RedisClient = Redis | Cluster

/** How long an absent Redis may delay shutdown. */
export const CLOSE_TIMEOUT_MS = 1000

export interface RedisClientOptions {
  readonly address: RedisAddress
  /** How long an answer may be due until the connection is given up. Default 20,000. */
  readonly silenceMs?: number | undefined
  readonly connectTimeoutMs?: number
  /** Null: no longer. Default: forever, every second. */
  readonly retryAfterMs?: (times: number) => number | null
}

/**
 * Commands wait for a Redis that is away, and for the new primary after a failover: without a limit, since every command
 * of ours may be repeated. With `wait` it connects at `connect()`.
 */
export function createClient(options: RedisClientOptions, wait = false): RedisClient {
  const place = connectionOptionsOf(options.address)
  const retryAfterMs = options.retryAfterMs ?? reconnectAfterMs
  const lasting = {
    ...place.options,
    maxRetriesPerRequest: null,
    connectTimeout: options.connectTimeoutMs ?? 3000,
    disconnectTimeout: 200,
    socketTimeout: options.silenceMs ?? SILENCE_MS,
    reconnectOnError: reconnectWhenReadOnly(),
  }
  switch (place.kind) {
    case 'server':
      return new Redis({
        ...lasting,
        retryStrategy: retryAfterMs,
        sentinelRetryStrategy: retryAfterMs,
        lazyConnect: wait,
      })
    case 'cluster':
      return new Cluster(place.nodes, {
        ...place.cluster,
        redisOptions: lasting,
        clusterRetryStrategy: retryAfterMs,
        // A command is tried again after this long, at any node, until the slot has a primary.
        maxRedirections: Number.POSITIVE_INFINITY,
        retryDelayOnFailover: 200,
        retryDelayOnClusterDown: 200,
        slotsRefreshTimeout: 3000,
        lazyConnect: wait,
      })
    default:
      return place satisfies never
  }
}

/** A plain connection to the first node of a cluster or to the first sentinel, without retries; and what to ask it. */
export function openMember(address: RedisAddress): { readonly client: Redis; ask(): Promise<unknown> } {
  const place = connectionOptionsOf(address)
  const once = { connectTimeout: 3000, commandTimeout: 3000, retryStrategy: null, lazyConnect: true }
  if (place.kind === 'cluster') {
    const client = new Redis({ ...place.options, ...place.nodes[0], ...once })
    return { client, ask: () => client.cluster('SLOTS') }
  }
  const { sentinels = [], name = '', sentinelUsername, sentinelPassword, sentinelTLS } = place.options
  const login = { username: sentinelUsername, password: sentinelPassword, tls: sentinelTLS }
  const client = new Redis({ ...sentinels[0], ...login, ...once, enableReadyCheck: false })
  return { client, ask: () => client.call('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', name) }
}

/**
 * If an answer is due on a connection and nothing arrives, the connection is dead although it is open: a firewall has
 * dropped it, or a failover took the address. BullMQ's blocking reads are answered every 10 s at the latest.
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

export interface WorkerConnection {
  readonly redis: RedisClient
  /** Ends both in any state, and rejects their pending commands. Safe to repeat. */
  cut(): void
}

/**
 * Keeps a worker's two connections, so that they can be cut. (BullMQ duplicates the first for its blocking reads.)
 * BullMQ's own close waits for an answer: with Redis away or frozen it would wait, and keep the process alive,
 * forever.
 */
export function openWorkerConnection(options: RedisClientOptions): WorkerConnection {
  let ended = false
  const retryAfterMs = (times: number) => (ended ? null : reconnectAfterMs(times))
  const redis = hidePolicy(createClient({ ...options, retryAfterMs }))
  const all: RedisClient[] = [redis]
  keepDuplicates(redis, all)
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

/** Its connections to sentinels end with `disconnect` only. */
export function isOverSentinels(redis: RedisClient): boolean {
  return redis instanceof Redis && redis.options.sentinels !== null && redis.options.sentinels !== undefined
}

function keepDuplicates(redis: RedisClient, all: RedisClient[]): void {
  const keep = <Client extends RedisClient>(copy: Client): Client => {
    all.push(copy)
    return hidePolicy(copy)
  }
  if (redis instanceof Cluster) {
    const duplicate = redis.duplicate.bind(redis)
    redis.duplicate = (...args: Parameters<Cluster['duplicate']>) => keep(withoutBlocking(duplicate(...args)))
  } else {
    const duplicate = redis.duplicate.bind(redis)
    redis.duplicate = (override?: Partial<RedisOptions>) => keep(duplicate(override))
  }
}

/**
 * An idle worker of a cluster polls for jobs twice a second instead of blocking. A blocking read would wait on a node
 * that is gone, and BullMQ's reconnect of that connection collides with ioredis's: after a failover, an idle worker
 * never took a job again.
 */
function withoutBlocking(redis: Cluster): Cluster {
  redis.bzpopmin = (async () => {
    await sleep(POLL_EVERY_MS)
    return null
  }) as Cluster['bzpopmin']
  return redis
}

const POLL_EVERY_MS = 500

/**
 * BullMQ reads INFO for the version, which decides how exactly it waits for delayed jobs. From the same INFO it prints an
 * eviction warning, one per connection. Removing the policy prevents that: our own warning is logged once.
 */
function hidePolicy<Client extends RedisClient>(redis: Client): Client {
  const info = redis.info.bind(redis) as (...args: unknown[]) => Promise<string>
  // A call with a callback is ioredis's own check that the server is ready.
  redis.info = ((...args: unknown[]) => (args.length > 0 ? info(...args) : info().then(removePolicy))) as Redis['info']
  return redis
}

function removePolicy(text: string): string {
  return text.replace(/^maxmemory_policy:.*\r?\n/m, '')
}

/** A connection that waits to reconnect would never emit its end: connect once more, and disconnect on either result. */
function end(redis: RedisClient): void {
  if (redis.status === 'end' && !isOverSentinels(redis)) return
  const waitsToReconnect = redis.status === 'reconnecting'
  redis.disconnect()
  if (waitsToReconnect) {
    redis.connect().then(
      () => redis.disconnect(),
      () => {},
    )
  }
}
