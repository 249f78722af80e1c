import type { Job, WorkerOptions } from 'bullmq'
import type { JobDecision } from '../domain/decision.js'
import { parseJobId, type SearchRef } from '../domain/search-id.js'
import { type ActiveJob, finishJob, type JobContext, rejectForeignJob, requeue, retryDelayMs } from './finish-job.js'
import type { WorkerConnection } from './redis-client.js'
import type { RefusedCommands } from './refused-commands.js'
import {
  type AbandonableWorker,
  logWorkerEvents,
  openBackoffWorker,
  runningWorker,
  WORKER_OPTIONS,
} from './running-worker.js'

export interface SearchWorkerParts {
  readonly connection: WorkerConnection
  readonly prefix: string
  readonly context: JobContext
  readonly refusals: Pick<RefusedCommands, 'report'>
  /** The longest extra delay of a job that stalled twice or more, ms. */
  readonly longestStallDelayMs: number
}

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
  /** Called when a job has failed for good and is in the failed set. */
  onDeadLetter(): void
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
 */
export async function startSearchWorker(
  parts: SearchWorkerParts,
  options: WorkOptions,
  queueName: string,
): Promise<AbandonableWorker> {
  const { context } = parts
  const activeJobs = new Set<ActiveJob>()
  let stopping = false

  async function process(job: Job, token?: string): Promise<unknown> {
    const activeJob: ActiveJob = { job, token: token ?? '', requeued: false }
    activeJobs.add(activeJob)
    try {
      if (stopping) await requeue(activeJob, context)
      return await finishJob(await decisionFor(activeJob), activeJob, context)
    } finally {
      activeJobs.delete(activeJob)
    }
  }

  async function decisionFor(activeJob: ActiveJob): Promise<JobDecision> {
    const { job } = activeJob
    const ref = parseJobId(job.id ?? '')
    if (ref === null) return rejectForeignJob()
    if (activeJob.requeued) return delayFor(0)
    if (needsDelay(job)) {
      await job.updateData({ ...job.data, restedAfterStalls: job.stalledCounter })
      return delayFor(options.openCallMaxAgeMs + Math.random() * parts.longestStallDelayMs)
    }
    try {
      return await options.handle({ ref })
    } catch (error) {
      context.log.error(
        { event: 'job.internal_error', err: error, job: job.id, againInMs: AFTER_A_BUG_MS, repeats: true },
        'an internal error interrupted a search; it runs again in 5 s',
      )
      return delayFor(AFTER_A_BUG_MS)
    }
  }

  function delayFor(ms: number): JobDecision {
    return { do: 'delay', until: context.clock.now() + ms }
  }

  const worker = openBackoffWorker(queueName, process, workerOptions(parts, options))
  logWorkerEvents(worker, context.log, parts.refusals)
  worker.on('failed', (job) => {
    if (job === undefined || job.finishedOn !== undefined) options.onDeadLetter()
  })
  await worker.waitUntilReady()
  return runningWorker({
    worker,
    connection: parts.connection,
    activeJobs,
    requeueLate: (activeJob) => requeue(activeJob, context),
    onStopping: () => {
      stopping = true
    },
  })
}

function workerOptions(parts: SearchWorkerParts, options: WorkOptions): WorkerOptions {
  return {
    connection: parts.connection.redis,
    prefix: parts.prefix,
    concurrency: options.concurrency,
    lockDuration: options.lockDurationMs,
    stalledInterval: options.stalledIntervalMs,
    ...WORKER_OPTIONS,
    maximumRateLimitDelay: LOOKS_AGAIN_MS,
    removeOnComplete: { count: KEPT_COMPLETED },
    settings: { backoffStrategy: (_attempts, _type, error) => retryDelayMs(error) },
  }
}

/** Once per stall: the job stores the stall count before its delay begins. */
function needsDelay(job: Job): boolean {
  return job.stalledCounter >= STALLS_BEFORE_DELAY && job.data?.restedAfterStalls !== job.stalledCounter
}
