import type { Job, WorkerOptions } from 'bullmq'
import { parseJobId } from '../domain/search-id.js'
import type { Step } from '../domain/step.js'
import { type ActiveJob, finishJob, type JobContext, requeue, retryDelayMs } from './finish-job.js'
import { PatientWorker } from './patient-worker.js'
import type { Refusals } from './refusals.js'
import { listen, runningWorker, type StoppableWorker } from './running-worker.js'
import type { WorkOptions } from './search-queue.js'
import type { WorkerConnection } from './worker-connection.js'

/**
 * Takes jobs and turns what the handler says into what BullMQ is told. Three things never reach the
 * handler: jobs that are not ours, jobs that arrive while we are stopping, and jobs that have taken
 * their worker down twice, which first rest for a random time, so that one poisonous search does not
 * keep taking the same neighbours down with it.
 */
export interface SearchWorkerParts {
  readonly connection: WorkerConnection
  readonly prefix: string
  readonly context: JobContext
  readonly refusals: Pick<Refusals, 'report'>
  /** The longest rest of a job that stalled twice or more, ms. */
  readonly longestRestMs: number
}

/** More stalls than this and BullMQ fails the job without asking us. */
const MAX_STALLS = 5
const STALLS_BEFORE_REST = 2
/** For the eye. Failed ones are all kept, which is BullMQ's default. */
const KEPT_COMPLETED = 1000
/** After a bug of ours: not at once, and never as a used attempt. */
const AFTER_A_BUG_MS = 5000

export async function startSearchWorker(
  parts: SearchWorkerParts,
  options: WorkOptions,
  queueName: string,
): Promise<StoppableWorker> {
  const { context } = parts
  const activeJobs = new Set<ActiveJob>()
  let stopping = false

  async function process(job: Job, token?: string): Promise<unknown> {
    const activeJob: ActiveJob = { job, token: token ?? '', requeued: false }
    activeJobs.add(activeJob)
    try {
      if (stopping) await requeue(activeJob, context)
      return await finishJob(await nextStep(activeJob), activeJob, context)
    } finally {
      activeJobs.delete(activeJob)
    }
  }

  async function nextStep(activeJob: ActiveJob): Promise<Step> {
    const { job } = activeJob
    const ref = parseJobId(job.id ?? '')
    if (ref === null) return notOurs()
    if (activeJob.requeued) return rest(0)
    if (needsRest(job)) {
      await job.updateData({ ...job.data, restedAfterStalls: job.stalledCounter })
      return rest(options.openCallMaxAgeMs + Math.random() * parts.longestRestMs)
    }
    try {
      return await options.handle({ ref, stalls: job.stalledCounter, attempt: job.attemptsMade + 1 })
    } catch (error) {
      context.log.error(
        { event: 'job.internal_error', err: error, job: job.id, againInMs: AFTER_A_BUG_MS, repeats: true },
        'a search was left by a bug; it is tried again',
      )
      return rest(AFTER_A_BUG_MS)
    }
  }

  function rest(ms: number): Step {
    return { do: 'delay', until: context.clock.now() + ms, rateLimitAll: false }
  }

  const worker = new PatientWorker(queueName, process, workerOptions(parts, options))
  listen(worker, context.log, parts.refusals)
  worker.on('failed', (job) => {
    if (job === undefined || job.finishedOn !== undefined) options.onDeadLetter()
  })
  await worker.waitUntilReady()
  return runningWorker({
    worker,
    connection: parts.connection,
    activeJobs,
    giveBack: (activeJob) => requeue(activeJob, context),
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
    maxStalledCount: MAX_STALLS,
    maximumRateLimitDelay: 1000,
    drainDelay: 2,
    runRetryDelay: 1000,
    removeOnComplete: { count: KEPT_COMPLETED },
    settings: { backoffStrategy: (_attempts, _type, error) => retryDelayMs(error) },
  }
}

function notOurs(): Step {
  const reason = 'This job was added by hand: only searches that the store knows can run. Submit a catalog instead.'
  return { do: 'deadLetter', reason, pause: null }
}

/** Once per stall: the count it has rested for is kept in the job, written before the rest begins. */
function needsRest(job: Job): boolean {
  return job.stalledCounter >= STALLS_BEFORE_REST && job.data?.restedAfterStalls !== job.stalledCounter
}
