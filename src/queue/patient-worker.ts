import { setTimeout as sleep } from 'node:timers/promises'
import { type Job, Worker } from 'bullmq'

/**
 * BullMQ's worker with exponential backoff after a fetch that Redis refused. BullMQ's own fetch loop tries again
 * at once after any error that is not about the connection, and its blocking read after 100 ms: with a Redis that
 * is read-only or full, that is thousands of tries a second.
 */
const SHORTEST_WAIT_MS = 100
/** Short enough that work resumes within seconds after the failure ends. */
const LONGEST_WAIT_MS = 2000

export class PatientWorker extends Worker {
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
      const ms = Math.min(LONGEST_WAIT_MS, SHORTEST_WAIT_MS * 2 ** Math.min(this.#refused, 10))
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
