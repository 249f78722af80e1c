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
  // Read by BullMQ, whose version check prints; the duplicate has it too.
  const options = { ...lasting, retryStrategy, skipVersionCheck: true }
  const redis = new Redis(options)
  const all = [redis]
  const duplicate = redis.duplicate.bind(redis)
  redis.duplicate = (override?: Partial<RedisOptions>) => {
    const copy = duplicate(override)
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
