import { ConfigurationError, UnreachableError } from '../domain/errors.js'
import type { Logger } from '../domain/logger.js'
import { HEARTBEAT_INTERVAL_MS, HEARTBEAT_TTL_MS } from '../queue/heartbeat.js'
import type { QueueUse } from '../store/queue-use.js'
import type { Store } from '../store/store.js'

/**
 * All workers of a store share one Redis: with two, each would have the whole rate limit. Redis is disposable, so one
 * that has lost its data, and a new one that is empty, is filled by whoever finds it. What tells them from a second
 * Redis are workers that use another one at this moment: they say so in the store, by the random id of its queue.
 */

interface UseParts {
  readonly store: Pick<Store, 'name' | 'queueUse'>
  readonly now: () => number
}

/**
 * The Redis that workers of this store use at this moment, if it is another one than that of the queue with this id.
 * @param id null: this Redis is empty
 */
export async function otherRedisInUse({ store, now }: UseParts, id: string | null): Promise<QueueUse | null> {
  const use = await store.queueUse.get()
  return use === null || use.id === id || !isLive(use, now()) ? null : use
}

function isLive({ heardAt }: QueueUse, now: number): boolean {
  return Math.abs(now - heardAt) < HEARTBEAT_TTL_MS
}

/**
 * For a command.
 * @param where this Redis
 * @throws UnreachableError if the workers use another one, or this one has just lost its data
 */
export async function requireSharedRedis(parts: UseParts, id: string | null, where: string): Promise<void> {
  const other = await otherRedisInUse(parts, id)
  if (other === null) return
  throw new UnreachableError(
    `${where} is not what the workers of this store use (${other.where}), or has just lost its data and is filled again within seconds. ` +
      'Set TRACKYARD_REDIS_URL as the workers have it.',
    { code: 'redis_unreachable' },
  )
}

/**
 * Whether a process may use the Redis with this queue id. False: workers used another one until a moment ago. Ask
 * again: they may be dead.
 * @param id null: this Redis is empty or damaged
 * @throws ConfigurationError if live workers use another one
 */
export type RedisCheck = (id: string | null) => Promise<boolean>

/** For a worker: also says in the store which Redis it uses. */
export function sharedRedisCheck(parts: UseParts & { readonly where: string; readonly log: Logger }): RedisCheck {
  const { store, now, where, log } = parts
  /** The queue of this Redis, or what it was until Redis lost its data. */
  let mine: string | null = null
  let saidAt = Number.NEGATIVE_INFINITY
  let seen: QueueUse | null = null

  async function say(id: string): Promise<QueueUse | null> {
    if (id === mine && now() - saidAt < HEARTBEAT_INTERVAL_MS) return null
    const other = await store.queueUse.note(
      { id, where, heardAt: now() },
      (known) => known.id === mine || !isLive(known, now()),
    )
    if (other !== null) return other
    mine = id
    saidAt = now()
    return null
  }

  return async (id) => {
    const other = id === null ? await otherRedisInUse(parts, mine) : await say(id)
    const before = seen
    seen = other
    if (other === null) return true
    if (before?.id === other.id && before.heardAt < other.heardAt) throw anotherRedis(other)
    if (before?.id !== other.id)
      log.warn(
        { event: 'redis.other_in_use', redis: where, other: other.where, repeats: true },
        'workers of this store used another Redis a moment ago; waiting to see if they still do',
      )
    return false
  }

  function anotherRedis(other: QueueUse): ConfigurationError {
    return new ConfigurationError(
      `Workers of the store ${store.name} use another Redis (${other.where}) than this one (${where}). All must share one, or each Redis would allow the whole rate limit. ` +
        'Set the same TRACKYARD_REDIS_URL everywhere. To move to another Redis, stop all workers first: `trackyard-batch down`.',
    )
  }
}
