import type { Job } from 'bullmq'
import { LONGEST_RETRY_AFTER_MS } from '../domain/backoff.js'
import type { Clock } from '../domain/clock.js'
import type { Death } from '../domain/dead-letter.js'
import type { JobDecision } from '../domain/decision.js'
import type { Logger } from '../domain/logger.js'
import { parseJobId, type SearchRef } from '../domain/search-id.js'
import { bullmq } from './bullmq.js'
import type { ActiveJob, Work } from './running-worker.js'
import type { Throttle } from './throttle.js'

export interface WorkOptions {
  readonly concurrency: number
  readonly lockDurationMs: number
  readonly stalledIntervalMs: number
  /**
   * How long an open call of a dead worker blocks its search. A job that keeps crashing its worker is delayed for longer:
   * otherwise it would run again together with the jobs that were active beside it, and crash them again.
   */
  readonly openCallMaxAgeMs: number
  /** Processes one job. A throw is a bug: it is logged, and the job runs again in 5 s. */
  handle(job: { readonly ref: SearchRef }): Promise<JobDecision>
}

interface Parts {
  readonly throttle: Throttle
  readonly clock: Clock
  readonly log: Logger
}

const STALLS_BEFORE_DELAY = 2
/** Display only. All failed jobs are kept, which is BullMQ's default. */
const KEPT_COMPLETED = 1000
/** During a rate limit a worker asks this often, and promotes delayed jobs. */
const LOOKS_AGAIN_MS = 1000
/** The delay after a bug of ours. It uses no attempt. */
const AFTER_A_BUG_MS = 5000

/**
 * Processes the jobs of the `search` queue and ends each by the decision that the handler returns. Three kinds of jobs do
 * not reach the handler: jobs of unknown origin, jobs that arrive during a stop, and jobs that have crashed
 * their worker twice. The last are delayed for a random time first, so that a poison search does not
 * crash the same neighbours again and again.
 * @param parts longestStallDelayMs: the longest extra delay of a job that stalled twice or more
 */
export function searchWork(options: WorkOptions, parts: Parts & { readonly longestStallDelayMs: number }): Work {
  const { log, clock } = parts

  async function decisionFor(job: Job): Promise<JobDecision> {
    const ref = parseJobId(job.id ?? '')
    if (ref === null)
      throw new (bullmq().UnrecoverableError)(
        'This job was added by hand: only searches from the store can run. Submit a catalog instead.',
      )
    if (needsDelay(job)) {
      await job.updateData({ ...job.data, restedAfterStalls: job.stalledCounter })
      return delayFor(options.openCallMaxAgeMs + Math.random() * parts.longestStallDelayMs)
    }
    try {
      return await options.handle({ ref })
    } catch (error) {
      log.error(
        { event: 'job.internal_error', err: error, job: job.id, againInMs: AFTER_A_BUG_MS, repeats: true },
        'an internal error interrupted a search; it runs again in 5 s',
      )
      return delayFor(AFTER_A_BUG_MS)
    }
  }

  function delayFor(ms: number): JobDecision {
    return { do: 'delay', until: clock.now() + ms }
  }

  return {
    process: async (activeJob) => {
      if (activeJob.requeued) throw new (bullmq().WaitingError)()
      return finishJob(await decisionFor(activeJob.job), activeJob, parts)
    },
    requeue: (activeJob) => requeue(activeJob, log),
    options: {
      concurrency: options.concurrency,
      lockDuration: options.lockDurationMs,
      stalledInterval: options.stalledIntervalMs,
      maximumRateLimitDelay: LOOKS_AGAIN_MS,
      removeOnComplete: { count: KEPT_COMPLETED },
      settings: { backoffStrategy: (_attempts, _type, error) => retryDelayMs(error) },
    },
  }
}

/** Once per stall: the job stores the stall count before its delay begins. */
function needsDelay(job: Job): boolean {
  return job.stalledCounter >= STALLS_BEFORE_DELAY && job.data?.restedAfterStalls !== job.stalledCounter
}

/** Of a returning job; new jobs have 10, 20 or 30. */
const RETURNING_PRIORITY = 1

/**
 * Delays use the worker's clock, the limiter uses Redis's. Without a margin a worker may find the limit lifted before
 * the delayed job is due, and take another one first.
 */
const RATE_LIMIT_MARGIN_MS = 50

/**
 * Ends the active job in BullMQ's terms: a returned value completes the job, `DelayedError` and `WaitingError` after a
 * move requeue it without using an attempt, `UnrecoverableError` makes it a dead letter, and any other error uses an
 * attempt.
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
export async function finishJob(decision: JobDecision, activeJob: ActiveJob, parts: Parts): Promise<unknown> {
  const { DelayedError, UnrecoverableError, WaitingError } = bullmq()
  if (activeJob.requeued) throw new WaitingError()
  const { throttle, clock, log } = parts
  const { job, token } = activeJob
  /** The priority of its batch: it goes behind the waiting jobs. */
  const { priority } = job.opts

  async function delay(until: number, as = RETURNING_PRIORITY): Promise<never> {
    const move = () => {
      const ms = Math.min(LONGEST_RETRY_AFTER_MS, Math.max(0, until - clock.now()))
      return job.moveToDelayed(Date.now() + Math.ceil(ms), token)
    }
    await moveJob(job, log, move, as)
    throw new DelayedError()
  }

  if ('tripped' in decision && decision.tripped !== null) await throttle.pause()
  switch (decision.do) {
    case 'succeed':
      if (decision.endedProbe) await throttle.stopSerial()
      return { outcome: 'answered', tracks: decision.tracks, ms: Math.round(decision.durationMs) }
    case 'skip':
      return { outcome: decision.outcome, why: decision.why }
    case 'delay':
      return delay(decision.until)
    case 'rateLimit':
      await throttle.rateLimit(decision.until + RATE_LIMIT_MARGIN_MS)
      return delay(decision.until, decision.behind ? priority : RETURNING_PRIORITY)
    case 'requeue':
      await throttle.pause()
      await requeue(activeJob, log)
      throw new WaitingError()
    // Behind the others, not at the head: otherwise every probe would call this same search and no other.
    case 'pause':
      await throttle.pause()
      return delay(clock.now(), priority)
    case 'defer':
      return delay(decision.until, priority)
    case 'retry':
      await moveJob(job, log, async () => {}, decision.othersFail ? priority : RETURNING_PRIORITY)
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

/** Moves the job to the head of the queue, also while its handler may still run. Counts no attempt and no stall. */
async function requeue(activeJob: ActiveJob, log: Logger): Promise<void> {
  activeJob.requeued = true
  await moveJob(activeJob.job, log, () => activeJob.job.moveToWait(activeJob.token))
}

/**
 * Runs a move, and logs its failure: the lock is lost, so another worker has the job; or Redis is full. A failed move
 * changes nothing, and the stalled check finds the job if it is still ours.
 */
async function moveJob(
  job: Job,
  log: Logger,
  move: () => Promise<unknown>,
  priority = RETURNING_PRIORITY,
): Promise<void> {
  try {
    if (job.priority !== priority) await job.changePriority({ priority })
    await move()
  } catch (error) {
    log.warn(
      { event: 'job.requeue_failed', job: job.id, problem: String(error), repeats: true },
      'a job could not be requeued; the stalled check will do it',
    )
  }
}

class RetryLater extends Error {
  readonly delayMs: number
  constructor(reason: string, delayMs: number) {
    super(reason)
    this.delayMs = delayMs
  }
}

/** For an error that is not a `RetryLater` (for example, Redis refused a move): soon, but not at once. */
const DEFAULT_RETRY_MS = 5000

/** BullMQ's backoff strategy. Always returns a positive whole number: a throw would leave the job stuck. */
export function retryDelayMs(error: unknown): number {
  const wanted = error instanceof RetryLater ? Math.ceil(error.delayMs) : DEFAULT_RETRY_MS
  return Number.isFinite(wanted) ? Math.min(LONGEST_RETRY_AFTER_MS, Math.max(1, wanted)) : DEFAULT_RETRY_MS
}
