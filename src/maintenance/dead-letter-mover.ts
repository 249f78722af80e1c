import { crashedDeath } from '../domain/decision.js'
import type { Logger } from '../domain/logger.js'
import { deadLetterIdOf, type SearchRef } from '../domain/search-id.js'
import type { SearchQueue } from '../queue/search-queue.js'
import type { DeadLetterEntry, Store } from '../store/store.js'

/**
 * Keeps the `dead-letters` queue equal to the store. `moveFailed` moves what has just died, `sweepDeadLetters` repairs
 * the rest: jobs that Redis lost, and dead letters that were retried, answered late or discarded.
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
  const letter = await deadLetters.get(job.ref)
  if (letter !== null) await parts.queue.deadLetters.add([letter])
  // The job failed without an outcome in the store (a bug of ours): requeue the search, so that it is not lost.
  else if ((await feed.requeue([job.ref])) > 0) {
    parts.log.error(
      { event: 'job.requeued', search: job.ref.fingerprint, reason: job.failedReason, repeats: true },
      'a job failed without an outcome; requeued',
    )
  }
  await parts.queue.searches.removeFailed(job.jobId)
  return letter !== null
}

export interface SweepParts {
  readonly store: Pick<Store, 'deadLetters'>
  readonly queue: Pick<SearchQueue, 'deadLetters'>
  readonly log: Logger
}

const PAGE = 500

/**
 * Makes the `dead-letters` queue match the store. Adds dead letters that Redis lacks (it lost its data, or somebody
 * removed a job by hand). Removes those that are not dead any more (retried from the command line, answered
 * late, discarded).
 */
export async function sweepDeadLetters(
  parts: SweepParts,
): Promise<{ readonly added: number; readonly removed: number }> {
  const inRedis = new Map((await parts.queue.deadLetters.refs()).map((ref) => [deadLetterIdOf(ref), ref]))
  let added = 0
  let after: number | null = 0
  while (after !== null) {
    const page: { refs: readonly SearchRef[]; next: number | null } = await parts.store.deadLetters.refs(after, PAGE)
    const missing = page.refs.filter((ref) => !inRedis.delete(deadLetterIdOf(ref)))
    added += await addMissing(parts, missing)
    after = page.next
  }
  const stale: SearchRef[] = []
  for (const ref of inRedis.values()) if ((await parts.store.deadLetters.get(ref)) === null) stale.push(ref)
  if (stale.length > 0) await parts.queue.deadLetters.remove(stale)
  if (added + stale.length > 0)
    parts.log.info(
      { event: 'dead_letter.synced', added, removed: stale.length },
      'dead letters in Redis synchronized with the store',
    )
  return { added, removed: stale.length }
}

async function addMissing(parts: SweepParts, missing: readonly SearchRef[]): Promise<number> {
  const letters: DeadLetterEntry[] = []
  for (const ref of missing) {
    const letter = await parts.store.deadLetters.get(ref)
    if (letter !== null) letters.push(letter)
  }
  if (letters.length > 0) await parts.queue.deadLetters.add(letters)
  return letters.length
}
