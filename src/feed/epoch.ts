import { ConfigurationError } from '../domain/errors.js'
import type { Logger } from '../domain/logger.js'
import type { SearchQueue } from '../queue/search-queue.js'
import type { Store } from '../store/store.js'

/**
 * Redis may lose everything. A key in it holds the id of the store whose window it holds; when the key
 * is gone, so is the rest, and the store restores it: first what closes and slows the fleet (pauses,
 * hold, probe, pace), then the searches become waiting again, last the key. A crash in between repeats the whole,
 * which does no harm. Every worker looks every two seconds in its own process: a scheduler inside Redis
 * would die with Redis.
 */
export interface EpochParts {
  readonly store: Pick<Store, 'id' | 'path' | 'feed' | 'pauses'>
  readonly queue: Pick<SearchQueue, 'fleet' | 'gate'>
  readonly log: Logger
  readonly now: () => number
  /** Sets the fleet's pace: without one, whoever takes jobs first takes them as fast as they come. */
  readonly setPace: () => Promise<unknown>
}

const RESTORE_LEASE_MS = 10_000

/**
 * `ours`: nothing to do. `restored`: Redis was empty and has been filled again. `elsewhere`: another
 * process is restoring it right now.
 * @throws ConfigurationError when this Redis holds another store's window
 */
export async function checkEpoch(parts: EpochParts): Promise<'ours' | 'restored' | 'elsewhere'> {
  const { store, queue } = parts
  const found = await queue.fleet.epoch()
  if (found === store.id) return 'ours'
  if (found !== null) throw anothersRedis(store, found, queue.fleet.describe())
  if (!(await queue.fleet.lease('restore', RESTORE_LEASE_MS))) return 'elsewhere'
  try {
    await restoreGate(parts)
    const searches = await store.feed.putBackAll()
    if (!(await queue.fleet.claimEpoch(store.id))) {
      throw anothersRedis(store, (await queue.fleet.epoch()) ?? 'unknown', queue.fleet.describe())
    }
    if (searches > 0)
      parts.log.warn({ searches, repeats: 'redis.empty' }, 'Redis had lost its jobs; everything unfinished is put back')
    return 'restored'
  } finally {
    await queue.fleet.release('restore')
  }
}

/** A look that changes nothing: an empty Redis is left empty. @throws ConfigurationError when it holds another store's window */
export async function refuseAnothersRedis({
  store,
  queue,
}: {
  readonly store: Pick<Store, 'id' | 'path'>
  readonly queue: Pick<SearchQueue, 'fleet'>
}): Promise<void> {
  const found = await queue.fleet.epoch()
  if (found !== null && found !== store.id) throw anothersRedis(store, found, queue.fleet.describe())
}

async function restoreGate(parts: EpochParts): Promise<void> {
  const { pauses } = parts.store
  const { gate } = parts.queue
  if ((await pauses.list()).length > 0) await gate.pause()
  const holdUntil = await pauses.holdUntil(parts.now())
  if (holdUntil !== null) await gate.hold(holdUntil)
  if (await pauses.probing()) await gate.narrow()
  await parts.setPace()
}

function anothersRedis(store: Pick<Store, 'id' | 'path'>, found: string, redis: string): ConfigurationError {
  return new ConfigurationError(
    `${redis} belongs to another store (${found}); this one is ${store.id} (${store.path}). ` +
      'Set TRACKYARD_REDIS_URL to a Redis of its own, or TRACKYARD_DATA_DIR to the store that belongs to it.',
  )
}
