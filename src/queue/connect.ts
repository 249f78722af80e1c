import { Redis } from 'ioredis'
import pRetry from 'p-retry'
import { ConfigurationError, UnreachableError } from '../domain/errors.js'
import type { Logger } from '../domain/logger.js'
import { settledWithin } from '../domain/with-timeout.js'
import { describeAddress, type RedisAddress } from './redis-address.js'
import { CLOSE_TIMEOUT_MS, type LastingOptions, lastingOptions, reconnectAfterMs } from './redis-client.js'
import { factsOf, toQueueError } from './redis-error.js'

/**
 * The first connect fails fast: a wrong address or password must be reported within seconds. After Redis has
 * answered once and taken a write, a lost connection is an outage that will end: commands wait, reconnects follow
 * at most a second apart, and the log has two lines, "Redis is away" and "Redis is back".
 */
export interface Connection {
  readonly redis: Redis
  /** "Redis at redis://host:6379/", without password. */
  readonly where: string
  close(): Promise<void>
}

/** @throws UnreachableError, ConfigurationError */
export async function connect(options: {
  readonly address: RedisAddress
  readonly log: Logger
  /** The longest wait for the first answer, ms. */
  readonly patienceMs: number
  /** A key for a test write, to check that Redis accepts writes. */
  readonly probeKey: string
  /** How long an answer may be due, once connected, until the connection is given up. */
  readonly silenceMs?: number | undefined
}): Promise<Connection> {
  const { address, log, patienceMs, probeKey, silenceMs } = options
  const where = describeAddress(address)
  const lasting = lastingOptions(address, silenceMs)
  const redis = await pRetry(() => firstConnect(lasting, { where, patienceMs, probeKey }), {
    retries: 3,
    minTimeout: 100,
    factor: 2,
    shouldRetry: ({ error }) => /ECONNREFUSED|LOADING/.test(factsOf(error.cause).message),
  })
  const reports = reportOutages(redis, where, log)
  return {
    redis,
    where,
    close: async () => {
      reports.end()
      const hasQuit = redis.status === 'ready' && (await settledWithin(CLOSE_TIMEOUT_MS, redis.quit()))
      if (!hasQuit && redis.status !== 'end') redis.disconnect()
    },
  }
}

/** ioredis's message for a connection that ended without an error. */
const HUNG_UP = 'Connection is closed.'

async function firstConnect(
  lasting: LastingOptions,
  options: { readonly where: string; readonly patienceMs: number; readonly probeKey: string },
): Promise<Redis> {
  const { where, patienceMs, probeKey } = options
  let reached = false
  let cause: unknown = null
  const retryStrategy = (times: number) => (reached ? reconnectAfterMs(times) : null)
  const connectTimeout = Math.max(lasting.connectTimeout, patienceMs - 1000)
  const redis = new Redis({ ...lasting, connectTimeout, retryStrategy, lazyConnect: true })
  redis.on('error', (error: Error) => {
    if (!reached) cause ??= error
  })
  let alarm: NodeJS.Timeout | undefined
  const timeout = new Promise<never>((_, reject) => {
    alarm = setTimeout(() => {
      reject(
        new UnreachableError(
          `${where} gave no usable answer within ${Math.ceil(patienceMs / 1000)} s: it is frozen, still loading, or not a Redis.`,
        ),
      )
    }, patienceMs)
  })
  try {
    await Promise.race([
      timeout,
      (async () => {
        await redis.connect()
        // Without this, ioredis silently uses database 0 when the database does not exist.
        if (lasting.db !== undefined) await redis.select(lasting.db)
        await redis.set(probeKey, '1', 'PX', 1000)
      })(),
    ])
    reached = true
    return redis
  } catch (error) {
    if (redis.status !== 'end') redis.disconnect()
    if (/DB index is out of range|SELECT is not allowed/.test(factsOf(error).message)) {
      throw new ConfigurationError(
        `${where} has no database ${lasting.db}. Set TRACKYARD_REDIS_URL to an existing one (usually 0 to 15).`,
      )
    }
    if (error instanceof UnreachableError) throw cause === null ? error : toQueueError(cause, where)
    const explained = toQueueError(cause ?? error, where)
    if (explained instanceof UnreachableError) throw explained
    if (factsOf(error).message === HUNG_UP)
      throw new UnreachableError(
        `${where} closed the connection without an answer: check host, port, and redis:// against rediss:// (TLS).`,
        { cause: error },
      )
    throw new UnreachableError(`${where} cannot be used: ${String(cause ?? error).replace(/\s+/g, ' ')}`, {
      cause: cause ?? error,
    })
  } finally {
    clearTimeout(alarm)
  }
}

function reportOutages(redis: Redis, where: string, log: Logger): { end(): void } {
  let awaySince: number | null = null
  let ended = false
  redis.on('close', () => {
    if (ended || awaySince !== null) return
    awaySince = performance.now()
    log.warn({ event: 'redis.disconnected', redis: where, repeats: true }, 'Redis is away')
  })
  redis.on('ready', () => {
    if (ended || awaySince === null) return
    log.warn(
      { event: 'redis.reconnected', redis: where, awayMs: Math.round(performance.now() - awaySince), repeats: true },
      'Redis is back',
    )
    awaySince = null
  })
  return {
    end: () => {
      ended = true
    },
  }
}
