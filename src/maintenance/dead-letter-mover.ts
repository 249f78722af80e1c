import { crashedDeath } from '../domain/decision.js'
import type { Logger } from '../domain/logger.js'
import type { SearchQueue } from '../queue/search-queue.js'
import type { Store } from '../store/store.js'

/**
 * BullMQ's failed set of `search` is written in one atomic step with the job's failure, so it is the list of
 * what is to be parked. The mover takes each from there: it writes `dead` where the store has no
 * verdict yet (stalled too often: the search crashed its workers), adds the letter to the
 * `dead-letters` queue under its own id, and removes the job. Every effect may be repeated: a crash
 * between any two leaves the job in the failed set, and the next sweep goes on from there.
 */
export interface MoverParts {
  readonly store: Pick<Store, 'deadLetters' | 'feed'>
  readonly queue: Pick<SearchQueue, 'searches' | 'deadLetters'>
  readonly log: Logger
  readonly now: () => number
}

const PAGE = 100

/** Empties the failed set. Returns how many letters were parked. */
export async function moveFailed(parts: MoverParts): Promise<number> {
  let parked = 0
  for (;;) {
    const failed = await parts.queue.searches.failed(PAGE)
    for (const job of failed) if (await moveOne(parts, job)) parked += 1
    if (failed.length < PAGE) return parked
  }
}

type FailedJob = Awaited<ReturnType<MoverParts['queue']['searches']['failed']>>[number]

async function moveOne(parts: MoverParts, job: FailedJob): Promise<boolean> {
  const { deadLetters, feed } = parts.store
  if (job.ref === null) {
    parts.log.warn(
      { event: 'job.foreign_removed', jobId: job.jobId, repeats: true },
      'a job that is not ours failed; removed',
    )
    await parts.queue.searches.removeFailed(job.jobId)
    return false
  }
  if (job.stalledTooOften && (await deadLetters.recordCrashed(job.ref, crashedDeath(job.failedReason), parts.now()))) {
    parts.log.error(
      { event: 'job.crash_limit_reached', search: job.ref.fingerprint, reason: job.failedReason },
      'dead letter: it took its worker down each time',
    )
  }
  const letter = await deadLetters.get(job.ref)
  if (letter !== null) await parts.queue.deadLetters.add([letter])
  // Failed for a reason that is no verdict (a fault of ours): it is due again rather than lost.
  else if ((await feed.requeue([job.ref])) > 0) {
    parts.log.error(
      { event: 'job.requeued', search: job.ref.fingerprint, reason: job.failedReason, repeats: true },
      'a job failed without a verdict; put back',
    )
  }
  await parts.queue.searches.removeFailed(job.jobId)
  return letter !== null
}
