import type { PauseCause } from './pause-cause.js'

/**
 * What the queue does with the active job after the commit to the store. The job handler returns a step;
 * `src/queue/finish-job.ts` performs it, the only place that calls BullMQ's job methods. A step that also
 * pauses or rate limits all workers does that first. A crash in between leaves the job active, and the next
 * stalled check picks it up; no job is returned to a queue that should be paused.
 */
export type Step =
  /** Finished. The summary is what Bull Board shows as the return value. */
  | {
      readonly do: 'complete'
      readonly summary: Readonly<Record<string, string | number | boolean | null>>
      /** A call succeeded during a probe: let all slots run. */
      readonly endProbe: boolean
    }
  /** Run it again then, before the backlog; no attempt used. `rateLimitAll`: no job starts before then. */
  | { readonly do: 'delay'; readonly until: number; readonly rateLimitAll: boolean }
  /**
   * Run it again then, behind the waiting jobs of its priority; no attempt used. `rateLimitAll` as above.
   * `pause`: pause the queue first.
   */
  | {
      readonly do: 'defer'
      readonly until: number
      readonly rateLimitAll: boolean
      readonly pause: PauseCause | null
    }
  /** Pause the queue and requeue the job at its head; no attempt used. */
  | { readonly do: 'pause'; readonly cause: PauseCause }
  /**
   * Uses an attempt: BullMQ records the failure and delays the job. When due it runs before the backlog, or
   * with `behind`, behind the waiting jobs of its priority. `pause`: pause the queue first.
   */
  | {
      readonly do: 'retry'
      readonly delayMs: number
      readonly reason: string
      readonly behind: boolean
      readonly pause: PauseCause | null
    }
  /** A dead letter: the job goes to the failed set with this reason; maintenance moves it on. `pause`: pause the queue first. */
  | { readonly do: 'deadLetter'; readonly reason: string; readonly pause: PauseCause | null }
