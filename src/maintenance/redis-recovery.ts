import { dirname } from 'node:path'
import { syncThrottle } from '../control/pauses.js'
import { ConfigurationError, UnreachableError } from '../domain/errors.js'
import { pluralize } from '../domain/format.js'
import type { Logger } from '../domain/logger.js'
import type { SearchQueue } from '../queue/search-queue.js'
import type { Store } from '../store/store.js'
import { otherRedisInUse, type RedisCheck, requireSharedRedis } from './one-redis.js'

export interface RecoveryParts {
  readonly store: Pick<Store, 'id' | 'name' | 'path' | 'createdAt' | 'feed' | 'pauses' | 'timeline' | 'queueUse'>
  readonly queue: Pick<SearchQueue, 'registry' | 'throttle'>
  readonly log: Logger
  readonly now: () => number
  /** Sets the rate for all workers. Without one, the first worker takes jobs as fast as they come. */
  readonly setRate: () => Promise<unknown>
  /** Default: unless workers use another one. */
  readonly mayUse?: RedisCheck
}

interface OwnRedisParts {
  readonly store: Pick<Store, 'id' | 'name' | 'path' | 'createdAt' | 'queueUse'>
  readonly queue: { readonly registry: Pick<SearchQueue['registry'], 'describe' | 'owner' | 'queueId'> }
}

const RESTORE_LEASE_MS = 10_000

/**
 * Restores Redis from the store after it lost its data or holds damaged values. One key in Redis holds the Redis
 * owner: the id of the store whose window it holds. A missing key means that Redis lost everything.
 *
 * Order of effects: damaged keys are removed; then what stops or slows workers is restored (pauses, rate limit,
 * probe, rate); then the searches become waiting again; last the owner is written. A crash in between repeats the
 * whole, which is harmless. Every worker checks every two seconds in its own process, since a scheduler inside Redis
 * would be lost with Redis.
 *
 * `ours`: nothing to do. `restored`: Redis was empty or damaged, and is restored. `elsewhere`: another process is
 * restoring it right now, or workers may be using another Redis.
 * @throws ConfigurationError when this Redis holds another store's window, UnreachableError when it stays damaged
 */
export async function recoverRedis(parts: RecoveryParts): Promise<'ours' | 'restored' | 'elsewhere'> {
  const { store, queue } = parts
  const { mayUse = async (id) => (await otherRedisInUse(parts, id)) === null } = parts
  const isWhole = (await ownerOf(parts)) === store.id && (await queue.registry.damage()).length === 0
  if (!(await mayUse(isWhole ? await queue.registry.queueId() : null))) return 'elsewhere'
  if (isWhole) return 'ours'
  if (!(await queue.registry.lease('restore', RESTORE_LEASE_MS))) return 'elsewhere'
  try {
    // Checked again under the lease: another process may have restored it just before, perhaps for another store.
    const owner = await ownerOf(parts)
    const damaged = await queue.registry.damage()
    if (damaged.length > 0) await clearDamaged(parts, damaged)
    else if (owner === store.id) return 'ours'
    await syncThrottle(parts)
    await parts.setRate()
    const searches = await store.feed.requeueAll()
    if (!(await queue.registry.claimOwnership(store.id))) {
      throw foreignRedis(store, (await queue.registry.owner()) ?? 'unknown', queue.registry.describe())
    }
    if (searches > 0) {
      parts.log.warn(
        { event: 'redis.restored', searches, repeats: true },
        'Redis had lost its jobs; all unfinished searches are requeued',
      )
      const what = `Redis had lost its jobs: ${pluralize(searches, 'search')} requeued from the store.`
      await store.timeline.add({ at: parts.now(), kind: 'redis_restored', by: 'worker', what })
    }
    // A worker notes its id in the store at once: until then, commands would take this Redis for another one.
    return (await mayUse(await queue.registry.queueId())) ? 'restored' : 'elsewhere'
  } finally {
    await queue.registry.release('restore')
  }
}

/**
 * Changes nothing: an empty Redis is left empty.
 * @throws ConfigurationError when Redis holds another store's window, UnreachableError when workers use another one
 */
export async function requireOwnRedis(parts: OwnRedisParts & Pick<RecoveryParts, 'now'>): Promise<void> {
  const { registry } = parts.queue
  const id = (await ownerOf(parts)) === null ? null : await registry.queueId()
  await requireSharedRedis(parts, id, registry.describe())
}

/** The id of the store whose searches are in this Redis; null: none. @throws ConfigurationError if it is another store */
async function ownerOf({ store, queue }: OwnRedisParts): Promise<string | null> {
  const found = await queue.registry.owner()
  if (found !== null && isForeign(found, store.id)) throw foreignRedis(store, found, queue.registry.describe())
  return found
}

/** A store id is a UUID. Anything else is a damaged value, and no owner. */
function isForeign(found: string, ours: string): boolean {
  return found !== ours && /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(found)
}

const MOST_NAMED = 5

/** Active jobs end as after FLUSHALL: BullMQ misses them, and the claim in the store prevents a second payment. */
async function clearDamaged({ queue, log }: RecoveryParts, damaged: readonly string[]): Promise<void> {
  const keys = damaged.slice(0, MOST_NAMED)
  log.warn(
    { event: 'redis.damage_cleared', keys, damaged: damaged.length, repeats: true },
    'Redis holds damaged values; the keys of trackyard-batch are removed and restored from the store',
  )
  await queue.registry.clear('restore', RESTORE_LEASE_MS)
  const left = await queue.registry.damage()
  if (left.length === 0) return
  throw new UnreachableError(
    `${queue.registry.describe()} still holds damaged values after its keys were removed (${left.slice(0, MOST_NAMED).join(', ')}): another program writes them. Stop that program, or set TRACKYARD_REDIS_URL to another Redis.`,
    { code: 'redis_unreachable' },
  )
}

/** A private Redis serves only the store beside it. If it holds another store's searches, that store was lost. */
function foreignRedis(
  store: Pick<Store, 'id' | 'path' | 'createdAt'>,
  found: string,
  redis: string,
): ConfigurationError {
  const { id, path, createdAt } = store
  if (!redis.startsWith('Private Redis'))
    return new ConfigurationError(
      `${redis} belongs to another store (${found}); this one is ${id} (${path}, created at ${createdAt}). ` +
        'Set TRACKYARD_REDIS_URL to a Redis of its own, or TRACKYARD_DATA_DIR to the store that belongs to it. ' +
        'If this store was lost and created again, restore it first: docs/backup.md.',
      { code: 'foreign_redis' },
    )
  return new ConfigurationError(
    `The store looks lost: the private Redis beside it still holds the searches of store ${found}, but ${path} is store ${id}, ` +
      `created at ${createdAt}. Earlier batches, answers and paid rows are not in it. To restore them: \`trackyard-batch down\`, ` +
      `put your backup, or a trackyard.rescued-….db, in its place (remove ${path}-wal and -shm first), and start again; see docs/backup.md. ` +
      `To continue without them, and pay again for what you submit again: \`trackyard-batch down\`, then remove ${dirname(path)}/redis.`,
    { code: 'foreign_redis' },
  )
}
