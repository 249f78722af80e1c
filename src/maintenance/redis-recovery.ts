import { dirname } from 'node:path'
import { ConfigurationError, UnreachableError } from '../domain/errors.js'
import type { Logger } from '../domain/logger.js'
import type { SearchQueue } from '../queue/search-queue.js'
import type { Store } from '../store/store.js'

/**
 * Redis may lose everything, or hold damaged values; then what is left of ours is removed first.
 * A key in it holds the id of the store whose window it holds; when the key
 * is gone, so is the rest, and the store restores it: first what closes and slows the fleet (pauses,
 * hold, probe, pace), then the searches become waiting again, last the key. A crash in between repeats the whole,
 * which does no harm. Every worker looks every two seconds in its own process: a scheduler inside Redis
 * would die with Redis.
 */
export interface RecoveryParts {
  readonly store: Pick<Store, 'id' | 'path' | 'createdAt' | 'feed' | 'pauses'>
  readonly queue: Pick<SearchQueue, 'registry' | 'throttle'>
  readonly log: Logger
  readonly now: () => number
  /** Sets the fleet's pace: without one, whoever takes jobs first takes them as fast as they come. */
  readonly setRate: () => Promise<unknown>
}

const RESTORE_LEASE_MS = 10_000

/**
 * `ours`: nothing to do. `restored`: Redis was empty or damaged and has been filled again. `elsewhere`: another
 * process is restoring it right now.
 * @throws ConfigurationError when this Redis holds another store's window, UnreachableError when it stays damaged
 */
export async function recoverRedis(parts: RecoveryParts): Promise<'ours' | 'restored' | 'elsewhere'> {
  const { store, queue } = parts
  const found = await queue.registry.owner()
  if (found !== null && isAnothers(found, store.id)) throw anothersRedis(store, found, queue.registry.describe())
  if (found === store.id && (await queue.registry.damage()).length === 0) return 'ours'
  if (!(await queue.registry.lease('restore', RESTORE_LEASE_MS))) return 'elsewhere'
  try {
    // Asked again: another process may have repaired it just before.
    const damaged = await queue.registry.damage()
    if (damaged.length > 0) await clearDamaged(parts, damaged)
    await restoreThrottle(parts)
    const searches = await store.feed.requeueAll()
    if (!(await queue.registry.claimOwnership(store.id))) {
      throw anothersRedis(store, (await queue.registry.owner()) ?? 'unknown', queue.registry.describe())
    }
    if (searches > 0)
      parts.log.warn(
        { event: 'redis.restored', searches, repeats: true },
        'Redis had lost its jobs; everything unfinished is put back',
      )
    return 'restored'
  } finally {
    await queue.registry.release('restore')
  }
}

/** A look that changes nothing: an empty Redis is left empty. @throws ConfigurationError when it holds another store's window */
export async function requireOwnRedis({
  store,
  queue,
}: {
  readonly store: Pick<Store, 'id' | 'path' | 'createdAt'>
  readonly queue: Pick<SearchQueue, 'registry'>
}): Promise<void> {
  const found = await queue.registry.owner()
  if (found !== null && isAnothers(found, store.id)) throw anothersRedis(store, found, queue.registry.describe())
}

/** Every store's id is a UUID; what is none is damaged, and nobody's. */
function isAnothers(found: string, ours: string): boolean {
  return found !== ours && /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(found)
}

const NAMED_AT_MOST = 5

/** Jobs in hand are found missing when they end, as after FLUSHALL: the claim in the store keeps them from being paid twice. */
async function clearDamaged({ queue, log }: RecoveryParts, damaged: readonly string[]): Promise<void> {
  const keys = damaged.slice(0, NAMED_AT_MOST)
  log.warn(
    { event: 'redis.damage_cleared', keys, damaged: damaged.length, repeats: true },
    'Redis holds damaged values; the keys of trackyard-batch are removed and filled again from the store',
  )
  await queue.registry.clear('restore', RESTORE_LEASE_MS)
  const left = await queue.registry.damage()
  if (left.length === 0) return
  throw new UnreachableError(
    `${queue.registry.describe()} holds damaged values that do not go away (${left.slice(0, NAMED_AT_MOST).join(', ')}): another program writes them. Stop it, or set TRACKYARD_REDIS_URL to another Redis.`,
  )
}

async function restoreThrottle(parts: RecoveryParts): Promise<void> {
  const { pauses } = parts.store
  const { throttle } = parts.queue
  if ((await pauses.list()).length > 0) await throttle.pause()
  const rateLimitedUntil = await pauses.rateLimitedUntil(parts.now())
  if (rateLimitedUntil !== null) await throttle.rateLimit(rateLimitedUntil)
  if (await pauses.probing()) await throttle.startSerial()
  await parts.setRate()
}

/** A private Redis only ever serves the store beside it: where it holds another one's searches, that store is gone. */
function anothersRedis(
  store: Pick<Store, 'id' | 'path' | 'createdAt'>,
  found: string,
  redis: string,
): ConfigurationError {
  const { id, path, createdAt } = store
  if (!redis.startsWith('Private Redis'))
    return new ConfigurationError(
      `${redis} belongs to another store (${found}); this one is ${id} (${path}, made at ${createdAt}). ` +
        'Set TRACKYARD_REDIS_URL to a Redis of its own, or TRACKYARD_DATA_DIR to the store that belongs to it. ' +
        'If this store was lost and made anew, restore it first: docs/backup.md.',
    )
  return new ConfigurationError(
    `The store looks lost: the private Redis beside it still holds the searches of store ${found}, but ${path} is store ${id}, ` +
      `made at ${createdAt}. Earlier batches, answers and paid rows are not in it. To restore them: \`trackyard-batch down\`, ` +
      `put your backup, or a trackyard.rescued-….db, in its place (remove ${path}-wal and -shm first), start again; see docs/backup.md. ` +
      `To go on without them, and pay again for what you submit again: \`trackyard-batch down\`, then remove ${dirname(path)}/redis.`,
  )
}
