import { DelayedError, type Job, UnrecoverableError, WaitingError } from 'bullmq'
import { LONGEST_WAIT_MS } from '../domain/backoff.js'
import type { Clock } from '../domain/clock.js'
import type { Logger } from '../domain/logger.js'
import type { Step } from '../domain/step.js'
import type { Throttle } from './search-queue.js'

/**
 * What BullMQ is told about the job in hand. The only file that speaks its verbs: a returned value
 * completes, `DelayedError` and `WaitingError` after a move give back without using an attempt,
 * `UnrecoverableError` buries, any other error is a used attempt.
 *
 * What comes back goes before the backlog, except what failed while others failed too and what is refused
 * while others are not. Priorities do that: a delayed
 * job joins the end of its priority when it is due, so it is given the best one, or that of its batch, while it is still
 * in hand. And a hold outlasts the jobs that are delayed until its end, so that they are promoted before the first
 * worker may take anything.
 *
 * The fleet's part (hold, pause) comes before the job's: a kill between the two leaves a closed door and
 * a job that the stalled check finds.
 */
export interface ActiveJob {
  readonly job: Job
  /** The lock's. */
  readonly token: string
  /** Given back while its handler was still running (shutdown): what the handler says later is not told to BullMQ. */
  requeued: boolean
}

export interface JobContext {
  readonly throttle: Throttle
  readonly clock: Clock
  readonly log: Logger
}

/** Priority of what comes back; new jobs have 10, 20 or 30. */
export const RETURNING_PRIORITY = 1

/**
 * A delayed job is due by the moment at which a worker asks (by the worker's clock), a hold is over by the moment at which Redis
 * reads it: without a margin, what asks just before the end finds the fleet free and the delayed job not due.
 */
const HOLD_MARGIN_MS = 50

/** A retry whose error carries no delay was not ours (Redis refused a move, say): soon, but not at once. */
const DEFAULT_RETRY_MS = 5000

class RetryLater extends Error {
  readonly delayMs: number
  constructor(reason: string, delayMs: number) {
    super(reason)
    this.delayMs = delayMs
  }
}

/** @returns the summary of a completed job; every other step ends in one of BullMQ's errors, which is thrown on purpose */
export async function finishJob(step: Step, activeJob: ActiveJob, context: JobContext): Promise<unknown> {
  if (activeJob.requeued) throw new WaitingError()
  const { throttle, clock } = context
  switch (step.do) {
    case 'complete':
      if (step.endProbe) await throttle.stopSerial()
      return step.summary
    case 'delay':
      if (step.rateLimitAll) await throttle.rateLimit(step.until + HOLD_MARGIN_MS)
      await moving(activeJob, context, () => delayed(step.until, activeJob, clock))
      throw new DelayedError()
    case 'defer':
      if (step.pause !== null) await throttle.pause()
      if (step.rateLimitAll) await throttle.rateLimit(step.until + HOLD_MARGIN_MS)
      await moving(activeJob, context, () => delayed(step.until, activeJob, clock), activeJob.job.opts.priority)
      throw new DelayedError()
    case 'pause':
      await throttle.pause()
      await moving(activeJob, context, () => activeJob.job.moveToWait(activeJob.token))
      throw new WaitingError()
    case 'retry':
      if (step.pause !== null) await throttle.pause()
      await moving(activeJob, context, async () => {}, step.behind ? activeJob.job.opts.priority : RETURNING_PRIORITY)
      throw new RetryLater(step.reason, step.delayMs)
    case 'deadLetter':
      if (step.pause !== null) await throttle.pause()
      throw new UnrecoverableError(step.reason)
    default:
      return step satisfies never
  }
}

async function delayed(until: number, { job, token }: ActiveJob, clock: Clock): Promise<void> {
  const delayMs = Math.min(LONGEST_WAIT_MS, Math.max(0, until - clock.now()))
  await job.moveToDelayed(Date.now() + Math.ceil(delayMs), token)
}

/** Back to the head of the queue while its handler may still run: shutdown. No attempt and no stall is counted. */
export async function requeue(activeJob: ActiveJob, context: JobContext): Promise<void> {
  activeJob.requeued = true
  await moving(activeJob, context, () => activeJob.job.moveToWait(activeJob.token))
}

/** BullMQ's backoff strategy: a positive whole number whatever comes. One that throws would leave the job stuck. */
export function retryDelayMs(error: unknown): number {
  const wanted = error instanceof RetryLater ? Math.ceil(error.delayMs) : DEFAULT_RETRY_MS
  return Number.isFinite(wanted) ? Math.min(LONGEST_WAIT_MS, Math.max(1, wanted)) : DEFAULT_RETRY_MS
}

/** A move that fails (the lock is lost, so somebody else has the job; or Redis is full) changes nothing: the stalled check finds what is still ours. */
async function moving(
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
      'a job could not be given back; the stalled check will',
    )
  }
}
