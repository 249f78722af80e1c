import { setTimeout as sleep } from 'node:timers/promises'
import type { Job, Processor, Worker, WorkerOptions } from 'bullmq'
import type { Logger } from '../domain/logger.js'
import { settledWithin } from '../domain/with-timeout.js'
import { bullmq } from './bullmq.js'
import { CLOSE_TIMEOUT_MS, type WorkerConnection } from './redis-client.js'
import { isOutage } from './redis-error.js'
import type { RefusedCommands } from './refused-commands.js'

export interface RunningWorker {
  /**
   * Takes no new job. Calls in flight may be paid for, so active jobs are waited for. A job that outlasts graceMs is
   * requeued at the head of the queue without using an attempt, and the claim prevents a second call; its handler
   * continues as long as the process runs. A second call returns the same promise.
   */
  stop(graceMs: number): Promise<{ readonly unfinished: number }>
  /** How many jobs are being processed now. */
  activeJobs(): number
  /** For the close of the queue. Stops at once and cuts the connections. The stalled check finds the active jobs. */
  abandon(): Promise<void>
}

export interface ActiveJob {
  readonly job: Job
  /** The token of the job's lock. */
  readonly token: string
  /** Requeued at shutdown while its handler was still running: the handler's result is not reported to BullMQ. */
  requeued: boolean
}

/** What a worker does with the jobs of its queue. */
export interface Work {
  /** Like BullMQ's processor: a returned value completes the job, an error fails it. */
  process(activeJob: ActiveJob): Promise<unknown>
  /**
   * Called for a job that outlasts the grace period, and before `process` for one that BullMQ still delivers during
   * a stop. Default: the first is left to the stalled check, the second is processed.
   */
  requeue?(activeJob: ActiveJob): Promise<void>
  readonly options: Omit<WorkerOptions, 'connection' | 'prefix'>
}

const MINUTES_OF_A_WEEK = 7 * 24 * 60

export async function startQueueWorker(
  queue: string,
  work: Work,
  parts: {
    readonly connection: WorkerConnection
    readonly prefix: string
    readonly log: Logger
    readonly refusals: Pick<RefusedCommands, 'report'>
  },
): Promise<RunningWorker> {
  const { connection, prefix, log, refusals } = parts
  const { requeue = async () => {} } = work
  const activeJobs = new Set<ActiveJob>()
  let stopping = false
  let stopped: Promise<{ unfinished: number }> | null = null
  let closed = false

  async function process(job: Job, token = ''): Promise<unknown> {
    const activeJob: ActiveJob = { job, token, requeued: false }
    activeJobs.add(activeJob)
    try {
      if (stopping) await requeue(activeJob)
      return await work.process(activeJob)
    } finally {
      activeJobs.delete(activeJob)
    }
  }

  const worker = openBackoffWorker(queue, process, {
    connection: connection.redis,
    prefix,
    // After more stalls than this BullMQ fails the job itself.
    maxStalledCount: 5,
    // How long one blocking read of an empty queue lasts, s. BullMQ's default is 5.
    drainDelay: 2,
    // The wait after a command that Redis did not answer, ms. BullMQ's default, 15 s, is too long after a failover.
    runRetryDelay: 1000,
    // Bull Board's chart of throughput: a point a minute, for a week.
    metrics: { maxDataPoints: MINUTES_OF_A_WEEK },
    ...work.options,
  })
  logWorkerEvents(worker, log, refusals)
  await worker.waitUntilReady()

  async function stopWithin(graceMs: number): Promise<{ unfinished: number }> {
    stopping = true
    const finished = closeWorker()
    await settledWithin(graceMs, finished)
    if (closed) return { unfinished: 0 }
    const late = [...activeJobs]
    await settledWithin(CLOSE_TIMEOUT_MS, Promise.all(late.map(requeue)))
    return { unfinished: late.length }
  }

  async function closeWorker(): Promise<void> {
    const closing = worker.close()
    await Promise.race([closing, untilIdle()])
    // BullMQ may wait forever for a Redis that is away, or for a cluster that it has reconnected to meanwhile.
    await settledWithin(CLOSES_WITHIN_MS, closing)
    connection.cut()
    closed = true
  }

  async function untilIdle(): Promise<void> {
    while (activeJobs.size > 0) await sleep(CHECK_EVERY_MS)
  }

  return {
    stop: (graceMs) => {
      stopped ??= stopWithin(graceMs)
      return stopped
    },
    activeJobs: () => activeJobs.size,
    abandon: async () => {
      if (closed) return
      stopping = true
      const finished = closeWorker()
      if (activeJobs.size === 0) await settledWithin(CLOSE_TIMEOUT_MS, finished)
      connection.cut()
    },
  }
}

/** Enough for the last job to be finished in Redis. If it is not, it runs again, and the store knows its outcome. */
const CLOSES_WITHIN_MS = 5000
const CHECK_EVERY_MS = 50

/** Logs a worker's events. BullMQ prints an `error` event that has no listener. */
function logWorkerEvents(worker: Worker, log: Logger, refusals: Pick<RefusedCommands, 'report'>): void {
  worker.on('error', (error: Error) => {
    if (isOutage(error) || refusals.report(error)) return
    log.warn({ event: 'bullmq.error', problem: error.message, repeats: true }, 'BullMQ reported an error')
  })
  worker.on('lockRenewalFailed', (jobs: string[]) => {
    log.warn(
      { event: 'job.lock_lost', jobs, repeats: true },
      'job locks were lost (Redis away, or this process frozen); the active jobs are still finished',
    )
  })
  worker.on('stalled', (job: string) => {
    log.warn({ event: 'job.stalled', job, repeats: true }, 'a job stalled: its worker died or froze; it is requeued')
  })
}

const SHORTEST_WAIT_MS = 100
/** Short enough that work resumes within seconds after the failure ends. */
const LONGEST_RETRY_MS = 2000

/**
 * BullMQ's worker with exponential backoff after a fetch that Redis refused. BullMQ's own fetch loop tries again
 * at once after any error that is not about the connection, and its blocking read after 100 ms: with a Redis that
 * is read-only or full, that is thousands of tries a second.
 */
function openBackoffWorker(queue: string, process: Processor, options: WorkerOptions): Worker {
  // Here, not outside: it loads BullMQ.
  class BackoffWorker extends bullmq().Worker {
    readonly #closing = new AbortController()
    #refused = 0
    #waiting: Promise<void> | null = null

    protected override async moveToActive(token: string, name?: string): Promise<Job> {
      try {
        const job = await super.moveToActive(token, name)
        this.#refused = 0
        return job
      } catch (error) {
        await this.#backOff()
        throw error
      }
    }

    /** BullMQ passes no time only after a failed blocking read. */
    override async delay(...args: Parameters<Worker['delay']>): Promise<void> {
      if (args[0] === undefined) await this.#backOff()
      else await super.delay(...args)
    }

    override async close(force?: boolean): Promise<void> {
      this.#closing.abort()
      await super.close(force)
    }

    /** All slots share one wait, so that ten slots do not make it ten times as long. */
    #backOff(): Promise<void> {
      if (this.#closing.signal.aborted) return Promise.resolve()
      if (this.#waiting === null) {
        const ms = Math.min(LONGEST_RETRY_MS, SHORTEST_WAIT_MS * 2 ** Math.min(this.#refused, 10))
        this.#refused += 1
        this.#waiting = sleep(ms, undefined, { signal: this.#closing.signal })
          .catch(() => {})
          .finally(() => {
            this.#waiting = null
          })
      }
      return this.#waiting
    }
  }

  return new BackoffWorker(queue, process, options)
}
