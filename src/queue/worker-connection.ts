import { Redis, type RedisOptions } from 'ioredis'
import { type LastingOptions, reconnectAfterMs } from './connect.js'

/**
 * A worker's two connections (BullMQ makes the second, for its blocking reads, by duplicating the first),
 * held so that they can be cut. BullMQ's own goodbye waits for an answer: with Redis away or frozen it
 * would wait, and keep the process alive, for ever.
 */
export interface WorkerConnection {
  readonly redis: Redis
  /** Ends both, whatever state they are in; what waits for an answer on them is refused. Safe to repeat. */
  cut(): void
}

export function openWorkerConnection(lasting: LastingOptions): WorkerConnection {
  let ended = false
  const retryStrategy = (times: number) => (ended ? null : reconnectAfterMs(times))
  const redis = withoutPolicy(new Redis({ ...lasting, retryStrategy }))
  const all = [redis]
  const duplicate = redis.duplicate.bind(redis)
  redis.duplicate = (override?: Partial<RedisOptions>) => {
    const copy = withoutPolicy(duplicate(override))
    all.push(copy)
    return copy
  }
  // Told by the queue's own connection; the worker listens to these as well.
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
 * BullMQ reads the version from INFO, which decides how exactly it waits for delayed jobs, and prints a line of its own,
 * one a connection, where keys may be evicted. Ours is in the log once (`fleet.warnings`).
 */
function withoutPolicy(redis: Redis): Redis {
  const info = redis.info.bind(redis) as (...words: unknown[]) => Promise<string>
  // With a callback it is ioredis itself that asks, whether the server is ready.
  redis.info = ((...words: unknown[]) =>
    words.length > 0 ? info(...words) : info().then(withoutPolicyLine)) as Redis['info']
  return redis
}

function withoutPolicyLine(text: string): string {
  return text.replace(/^maxmemory_policy:.*\r?\n/m, '')
}

/** One that waits to reconnect would never say that it has ended: it is sent to try once more, and gives up on what it meets. */
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
