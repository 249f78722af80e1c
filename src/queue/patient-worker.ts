import { setTimeout as sleep } from 'node:timers/promises'
import { type Job, Worker } from 'bullmq'

/**
 * BullMQ's worker, except that it rests after a fetch that Redis refused, a little longer each time.
 * BullMQ's own fetch loop tries again at once after any error that is not about the connection, and its
 * blocking read after 100 ms: with a Redis that is read-only or full, that is thousands of tries a second.
 */
const SHORTEST_REST_MS = 100
/** Work goes on within seconds of the end of the trouble. */
const LONGEST_REST_MS = 2000

export class PatientWorker extends Worker {
  readonly #closing = new AbortController()
  #refused = 0
  #resting: Promise<void> | null = null

  protected override async moveToActive(token: string, name?: string): Promise<Job> {
    try {
      const job = await super.moveToActive(token, name)
      this.#refused = 0
      return job
    } catch (error) {
      await this.#rest()
      throw error
    }
  }

  /** BullMQ names no time only after a blocking read that failed. */
  override async delay(...words: Parameters<Worker['delay']>): Promise<void> {
    if (words[0] === undefined) await this.#rest()
    else await super.delay(...words)
  }

  override async close(force?: boolean): Promise<void> {
    this.#closing.abort()
    await super.close(force)
  }

  /** All slots rest together, so that ten of them do not make it ten times as long. */
  #rest(): Promise<void> {
    if (this.#closing.signal.aborted) return Promise.resolve()
    if (this.#resting === null) {
      const ms = Math.min(LONGEST_REST_MS, SHORTEST_REST_MS * 2 ** Math.min(this.#refused, 10))
      this.#refused += 1
      this.#resting = sleep(ms, undefined, { signal: this.#closing.signal })
        .catch(() => {})
        .finally(() => {
          this.#resting = null
        })
    }
    return this.#resting
  }
}
