import { setMaxListeners } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import pRetry from 'p-retry'
import { ConfigurationError, UnreachableError } from '../domain/errors.js'
import type { Logger } from '../domain/logger.js'
import { settledWithin, withTimeout } from '../domain/with-timeout.js'
import { Cluster } from './ioredis.js'
import { describeAddress, type RedisAddress } from './redis-address.js'
import {
  CLOSE_TIMEOUT_MS,
  createClient,
  isOverSentinels,
  openMember,
  type RedisClient,
  reconnectAfterMs,
} from './redis-client.js'
import { factsOf, toQueueError } from './redis-error.js'

/**
 * The first connect fails fast: a wrong address or password must be reported within seconds. After Redis has
 * answered once and taken a write, a lost connection is an outage that will end: commands wait, reconnects follow
 * at most a second apart, and the log has two lines, "Redis is away" and "Redis is back". What runs for a moment only
 * may give up (`reconnect`): its commands then fail.
 */

export interface Connection {
  readonly redis: RedisClient
  /** "Redis at redis://host:6379/", without password. */
  readonly where: string
  /** Aborted when it was lost and is given up. Null: it never is. */
  readonly lost: AbortSignal | null
  close(): Promise<void>
}

interface ConnectOptions {
  readonly address: RedisAddress
  readonly log: Logger
  /** The longest wait for the first answer, ms. */
  readonly patienceMs: number
  /** A key for a test write, to check that Redis accepts writes. */
  readonly probeKey: string
  /** How long an answer may be due, once connected, until the connection is given up. */
  readonly silenceMs?: number | undefined
  /** Whether to try once more, `lostMs` after a loss. Default: always. */
  readonly reconnect?: ((lostMs: number) => boolean) | undefined
}

/** @throws UnreachableError, ConfigurationError */
export async function connect(options: ConnectOptions): Promise<Connection> {
  const where = describeAddress(options.address)
  const redis = await pRetry(() => firstConnect(options, where), {
    retries: 3,
    minTimeout: 100,
    factor: 2,
    shouldRetry: ({ error }) => isStarting(error.cause),
  })
  const reports = reportOutages(redis, where, options)
  return {
    redis,
    where,
    lost: options.reconnect === undefined ? null : lostSignal(redis),
    close: async () => {
      reports.end()
      const hasQuit = redis.status === 'ready' && (await settledWithin(CLOSE_TIMEOUT_MS, redis.quit()))
      // Also after `quit`, which leaves the connections to sentinels open.
      if (!hasQuit || isOverSentinels(redis)) redis.disconnect()
    },
  }
}

/** ioredis itself leaves commands without an answer that were sent before a loss, if an attempt to reconnect got halfway. */
function lostSignal(redis: RedisClient): AbortSignal {
  const lost = new AbortController()
  // Each question that is open listens.
  setMaxListeners(0, lost.signal)
  redis.once('end', () => lost.abort(new Error(HUNG_UP)))
  return lost.signal
}

/** For a name with several addresses, only the code says that each refused. */
function isStarting(error: unknown): boolean {
  const { code, message } = factsOf(error)
  return /ECONNREFUSED|LOADING/.test(`${code} ${message}`)
}

/** ioredis's message for a connection that ended without an error. */
const HUNG_UP = 'Connection is closed.'

async function firstConnect(options: ConnectOptions, where: string): Promise<RedisClient> {
  const { address, patienceMs, probeKey, silenceMs, reconnect = () => true } = options
  let reached = false
  let lostAt = 0
  const mayReconnect = (times: number) => {
    if (times === 1) lostAt = performance.now()
    return reached && reconnect(performance.now() - lostAt)
  }
  let cause: unknown = null
  const redis = createClient(
    {
      address,
      silenceMs,
      connectTimeoutMs: Math.max(3000, patienceMs - 1000),
      retryAfterMs: (times) => (mayReconnect(times) ? reconnectAfterMs(times) : null),
    },
    true,
  )
  redis.on('error', (error: Error) => {
    if (!reached) cause ??= error
  })
  const db = redis instanceof Cluster ? undefined : redis.options.db
  try {
    await withTimeout(
      patienceMs,
      useOnce(),
      `${where} gave no usable answer within ${Math.ceil(patienceMs / 1000)} s: it is frozen, still loading, or not a Redis.${isGroup(redis) ? GROUP_HINT : ''}`,
      'redis_unreachable',
    )
    reached = true
    return redis
  } catch (error) {
    redis.disconnect()
    if (isGroup(redis)) cause = await problemOfGroup(cause ?? error, address)
    if (/DB index is out of range|SELECT is not allowed/.test(factsOf(error).message)) {
      throw new ConfigurationError(
        `${where} has no database ${db}. Set TRACKYARD_REDIS_URL to an existing one (usually 0 to 15).`,
      )
    }
    if (cause === null && factsOf(error).message === HUNG_UP)
      throw new UnreachableError(
        `${where} closed the connection without an answer: check host, port, and redis:// against rediss:// (TLS).`,
        { code: 'redis_unreachable', cause: error },
      )
    const explained = toQueueError(cause ?? error, where)
    if (explained instanceof UnreachableError) throw explained
    if (error instanceof UnreachableError) throw error
    throw new UnreachableError(`${where} cannot be used: ${String(cause ?? error).replace(/\s+/g, ' ')}`, {
      code: 'redis_unreachable',
      cause: cause ?? error,
    })
  }

  async function useOnce(): Promise<void> {
    await redis.connect()
    // Without this, ioredis silently uses database 0 when the database does not exist.
    if (db) await redis.select(db)
    await redis.set(probeKey, '1', 'PX', 1000)
  }
}

const GROUP_HINT =
  ' If its nodes or sentinels give addresses that this machine cannot reach, set TRACKYARD_REDIS_NAT_MAP.'

function isGroup(redis: RedisClient): boolean {
  return redis instanceof Cluster || isOverSentinels(redis)
}

/** The error of a group only says that no member could be reached. The first member is asked for the reason. */
async function problemOfGroup(error: unknown, address: RedisAddress): Promise<unknown> {
  const { client, ask } = openMember(address)
  const reasons: unknown[] = []
  client.on('error', (reason: Error) => reasons.push(reason))
  try {
    await client.connect()
    await ask()
  } catch (reason) {
    reasons.push(reason)
  } finally {
    client.disconnect()
  }
  return Object.assign(new Error(factsOf(error).message, { cause: error }), { previousErrors: reasons })
}

/** Two lines for each outage, however many connections and attempts it has. */
function reportOutages(
  redis: RedisClient,
  where: string,
  { log, probeKey }: Pick<ConnectOptions, 'log' | 'probeKey'>,
): { end(): void } {
  let awaySince: number | null = null
  let ended = false
  const away = (): void => {
    if (ended || awaySince !== null) return
    awaySince = performance.now()
    log.warn({ event: 'redis.disconnected', redis: where, repeats: true }, 'Redis is away')
  }
  const back = (): void => {
    if (ended || awaySince === null) return
    const awayMs = Math.round(performance.now() - awaySince)
    log.warn({ event: 'redis.reconnected', redis: where, awayMs, repeats: true }, 'Redis is back')
    awaySince = null
  }
  if (redis instanceof Cluster) watchSlot(redis, probeKey, { away, back, isEnded: () => ended })
  else redis.on('close', away).on('ready', back)
  return {
    end: () => {
      ended = true
    },
  }
}

/** A shorter loss concerns a node without our keys, or a failover that no command notices. */
const SLOT_ANSWERS_WITHIN_MS = 1000

/** All our keys are in one slot: a cluster that loses another node is not away. After each loss a write is tried. */
function watchSlot(
  redis: Cluster,
  probeKey: string,
  report: { readonly away: () => void; readonly back: () => void; readonly isEnded: () => boolean },
): void {
  let trying = false
  redis.on('-node', async () => {
    if (trying || report.isEnded()) return
    trying = true
    const written = writeUntil(report.isEnded)
    if (!(await settledWithin(SLOT_ANSWERS_WITHIN_MS, written))) report.away()
    await written
    trying = false
    report.back()
  })

  /** A cluster client waits by itself, except for a command in flight when the last node was lost. */
  async function writeUntil(isEnded: () => boolean): Promise<void> {
    while (!isEnded()) {
      const isWritten = await redis.set(probeKey, '1', 'PX', 1000).then(
        () => true,
        () => false,
      )
      if (isWritten) return
      await sleep(reconnectAfterMs(10))
    }
  }
}
