import { crashedDeath } from '../domain/decision.js'
import type { Logger } from '../domain/logger.js'
import { deadLetterIdOf } from '../domain/search-id.js'
import type { SearchQueue } from '../queue/search-queue.js'
import type { Store } from '../store/store.js'

/**
 * Shows the newest dead letters of the store in the `dead-letters` queue. `moveFailed` moves what has just died,
 * `syncDeadLetters` repairs the rest: jobs that Redis lost, and dead letters that were retried, answered late or
 * discarded, or are not among the newest any more.
 */

export interface MoverParts {
  readonly store: Pick<Store, 'deadLetters' | 'feed'>
  readonly queue: Pick<SearchQueue, 'searches' | 'deadLetters'>
  readonly log: Logger
  readonly now: () => number
}

const JOBS = 100

/**
 * Moves failed jobs to the `dead-letters` queue. BullMQ adds a job to the failed set in the same atomic step that
 * fails it, so the failed set is the work list. For each job the mover writes `dead` where the store has no
 * outcome yet (stalled too often: the search crashed its workers), adds the dead letter to the
 * `dead-letters` queue under its own id, and removes the job. Every step is idempotent: a crash
 * between two steps leaves the job in the failed set, and the next run continues from there.
 *
 * Empties the failed set. Returns how many dead letters were added.
 */
export async function moveFailed(parts: MoverParts): Promise<number> {
  let moved = 0
  for (;;) {
    const failed = await parts.queue.searches.failed(JOBS)
    for (const job of failed) if (await moveOne(parts, job)) moved += 1
    if (failed.length < JOBS) return moved
  }
}

type FailedJob = Awaited<ReturnType<MoverParts['queue']['searches']['failed']>>[number]

async function moveOne(parts: MoverParts, job: FailedJob): Promise<boolean> {
  const { deadLetters, feed } = parts.store
  if (job.ref === null) {
    parts.log.warn(
      { event: 'job.foreign_removed', jobId: job.jobId, repeats: true },
      'a failed job of unknown origin was removed',
    )
    await parts.queue.searches.removeFailed(job.jobId)
    return false
  }
  if (job.stalledTooOften && (await deadLetters.recordCrashed(job.ref, crashedDeath(job.failedReason), parts.now()))) {
    parts.log.error(
      { event: 'job.crash_limit_reached', search: job.ref.fingerprint, reason: job.failedReason },
      'dead letter: the search crashed its worker each time',
    )
  }
  const [letter] = await deadLetters.get([job.ref])
  if (letter !== undefined) await parts.queue.deadLetters.add([letter])
  // The job failed without an outcome in the store (a bug of ours): requeue the search, so that it is not lost.
  else if ((await feed.requeue([job.ref])) > 0) {
    parts.log.error(
      { event: 'job.requeued', search: job.ref.fingerprint, reason: job.failedReason, repeats: true },
      'a job failed without an outcome; requeued',
    )
  }
  await parts.queue.searches.removeFailed(job.jobId)
  return letter !== undefined
}

export interface SyncParts {
  readonly store: Pick<Store, 'deadLetters'>
  readonly queue: Pick<SearchQueue, 'deadLetters'>
  readonly log: Logger
}

/** More would need more Redis than all jobs together. The board shows all, from the store. */
export const SHOWN_DEAD_LETTERS = 5000
const PAGE = 500

/**
 * Makes the `dead-letters` queue match the store. Adds dead letters that Redis lacks (it lost its data, or somebody
 * removed a job by hand), the oldest first, since Bull Board shows first what was added last. Removes those that are
 * not dead any more (retried from the command line, answered late, discarded), or no longer among the newest.
 * A job that somebody is retrying is not removed: its run decides.
 * @param shown how many to show
 */
export async function syncDeadLetters(
  parts: SyncParts,
  shown: number,
): Promise<{ readonly added: number; readonly removed: number }> {
  const { failed, active } = await parts.queue.deadLetters.refs()
  // Read after Redis: what has died meanwhile is not taken for one that is not dead.
  const newest = await parts.store.deadLetters.newest(shown)
  const inRedis = new Set([...failed, ...active].map(deadLetterIdOf))
  const wanted = new Set(newest.map(deadLetterIdOf))
  const missing = newest.filter((ref) => !inRedis.has(deadLetterIdOf(ref))).toReversed()
  const surplus = failed.filter((ref) => !wanted.has(deadLetterIdOf(ref)))
  let added = 0
  for (let from = 0; from < missing.length; from += PAGE) {
    const page = missing.slice(from, from + PAGE)
    const letters = new Map(
      (await parts.store.deadLetters.get(page)).map((entry) => [deadLetterIdOf(entry.ref), entry]),
    )
    const inOrder = page.flatMap((ref) => letters.get(deadLetterIdOf(ref)) ?? [])
    await parts.queue.deadLetters.add(inOrder)
    added += inOrder.length
  }
  await parts.queue.deadLetters.remove(surplus)
  if (added + surplus.length > 0)
    parts.log.info(
      { event: 'dead_letter.synced', added, removed: surplus.length },
      'dead letters in Redis synchronized with the store',
    )
  return { added, removed: surplus.length }
}
