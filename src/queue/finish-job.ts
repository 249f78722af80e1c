import type { Job } from 'bullmq'
import { LONGEST_RETRY_AFTER_MS } from '../domain/backoff.js'
import type { Clock } from '../domain/clock.js'
import type { Death } from '../domain/dead-letter.js'
import type { JobDecision } from '../domain/decision.js'
import type { Logger } from '../domain/logger.js'
import { bullmq } from './bullmq.js'
import type { Throttle } from './throttle.js'

export interface ActiveJob {
  readonly job: Job
  /** The token of the job's lock. */
  readonly token: string
  /** Requeued at shutdown while its handler was still running: the handler's result is not reported to BullMQ. */
  requeued: boolean
}

export interface JobContext {
  readonly throttle: Throttle
  readonly clock: Clock
  readonly log: Logger
}

/** Of a returning job; new jobs have 10, 20 or 30. */
export const RETURNING_PRIORITY = 1

/**
 * Delays use the worker's clock, the limiter uses Redis's. Without a margin a worker may find the limit lifted before
 * the delayed job is due, and take another one first.
 */
const RATE_LIMIT_MARGIN_MS = 50

/** For an error that is not a `RetryLater` (for example, Redis refused a move): soon, but not at once. */
const DEFAULT_RETRY_MS = 5000

class RetryLater extends Error {
  readonly delayMs: number
  constructor(reason: string, delayMs: number) {
    super(reason)
    this.delayMs = delayMs
  }
}

/**
 * Ends the active job in BullMQ's terms. Only this file uses them: a returned value completes the job,
 * `DelayedError` and `WaitingError` after a move requeue it without using an attempt, `UnrecoverableError` makes it
 * a dead letter, and any other error uses an attempt.
 *
 * A returning job runs before the backlog. Exceptions: a job that failed during an outage, and a job that is refused
 * while others are not; both keep the priority of their batch. A delayed job joins the end of its priority when it is
 * due, so its priority is set while it is still active. The rate limit lasts a little longer than the jobs that are
 * delayed until its end, so that they are promoted before any worker may take a job.
 *
 * Order of effects: rate limit or pause first, then the job. A kill between the two leaves a queue that is stopped, and
 * a job that the stalled check finds.
 * @returns the summary of a completed job. Every other decision throws one of BullMQ's errors on purpose.
 */
export async function finishJob(decision: JobDecision, activeJob: ActiveJob, context: JobContext): Promise<unknown> {
  const { DelayedError, UnrecoverableError, WaitingError } = bullmq()
  if (activeJob.requeued) throw new WaitingError()
  const { throttle, clock } = context
  const { job, token } = activeJob
  /** The priority of its batch: it goes behind the waiting jobs. */
  const { priority } = job.opts
  if ('tripped' in decision && decision.tripped !== null) await throttle.pause()
  switch (decision.do) {
    case 'succeed':
      if (decision.endedProbe) await throttle.stopSerial()
      return { outcome: 'answered', tracks: decision.tracks, ms: Math.round(decision.durationMs) }
    case 'skip':
      return { outcome: decision.outcome, why: decision.why }
    case 'delay':
      await moveJob(activeJob, context, () => delayJob(decision.until, activeJob, clock))
      throw new DelayedError()
    case 'rateLimit':
      await throttle.rateLimit(decision.until + RATE_LIMIT_MARGIN_MS)
      await moveJob(
        activeJob,
        context,
        () => delayJob(decision.until, activeJob, clock),
        decision.behind ? priority : RETURNING_PRIORITY,
      )
      throw new DelayedError()
    case 'requeue':
      await throttle.pause()
      await moveJob(activeJob, context, () => job.moveToWait(token))
      throw new WaitingError()
    // Behind the others, not at the head: otherwise every probe would call this same search and no other.
    case 'pause':
      await throttle.pause()
      await moveJob(activeJob, context, () => delayJob(clock.now(), activeJob, clock), priority)
      throw new DelayedError()
    case 'defer':
      await moveJob(activeJob, context, () => delayJob(decision.until, activeJob, clock), priority)
      throw new DelayedError()
    case 'retry':
      await moveJob(activeJob, context, async () => {}, decision.othersFail ? priority : RETURNING_PRIORITY)
      throw new RetryLater(decision.reason, decision.at - clock.now())
    case 'deadLetter':
      if (decision.pause !== null) await throttle.pause()
      throw new UnrecoverableError(reasonOf(decision.death))
    default:
      return decision satisfies never
  }
}

/** Display only, in Bull Board's failed set. */
function reasonOf({ status, code, error, message }: Death): string {
  return [status, code ?? error, message].filter((part) => part !== null).join(' · ')
}

/** For a job that is not ours: only searches from the store can run. */
export function rejectForeignJob(): never {
  throw new (bullmq().UnrecoverableError)(
    'This job was added by hand: only searches from the store can run. Submit a catalog instead.',
  )
}

async function delayJob(until: number, { job, token }: ActiveJob, clock: Clock): Promise<void> {
  const delayMs = Math.min(LONGEST_RETRY_AFTER_MS, Math.max(0, until - clock.now()))
  await job.moveToDelayed(Date.now() + Math.ceil(delayMs), token)
}

/** For shutdown: moves the job to the head of the queue while its handler may still run. Counts no attempt and no stall. */
export async function requeue(activeJob: ActiveJob, context: JobContext): Promise<void> {
  activeJob.requeued = true
  await moveJob(activeJob, context, () => activeJob.job.moveToWait(activeJob.token))
}

/** BullMQ's backoff strategy. Always returns a positive whole number: a throw would leave the job stuck. */
export function retryDelayMs(error: unknown): number {
  const wanted = error instanceof RetryLater ? Math.ceil(error.delayMs) : DEFAULT_RETRY_MS
  return Number.isFinite(wanted) ? Math.min(LONGEST_RETRY_AFTER_MS, Math.max(1, wanted)) : DEFAULT_RETRY_MS
}

/**
 * Runs a move, and logs its failure: the lock is lost, so another worker has the job; or Redis is full. A failed move
 * changes nothing, and the stalled check finds the job if it is still ours.
 */
async function moveJob(
  activeJob: ActiveJob,
  context: JobContext,
  move: () => Promise<unknown>,
  priority = RETURNING_PRIORITY,
): Promise<void> {
  try {
    if (activeJob.job.priority !== priority) await activeJob.job.changePriority({ priority })
    await move()
  } catch (error) {
    context.log.warn(
      { event: 'job.requeue_failed', job: activeJob.job.id, problem: String(error), repeats: true },
      'a job could not be requeued; the stalled check will do it',
    )
  }
}
