import type { PauseCause } from './pause-cause.js'

/**
 * What the queue is to do with the job in hand, once the store has the facts. The handler returns one;
 * settling it is one branch each in the queue's room, the only place that speaks BullMQ's verbs.
 * Where a step also touches the fleet, that part comes first: a crash between leaves a hold or pause
 * without its job, which the next stalled check picks up; never a job running into a closed door.
 */
export type Step =
  /** Finished. The summary is what Bull Board shows as the return value. */
  | {
      readonly do: 'complete'
      readonly summary: Readonly<Record<string, string | number | boolean | null>>
      /** A call succeeded while the fleet was probing: let all slots run. */
      readonly endProbe: boolean
    }
  /** Run it again then, before the backlog, no attempt used. `holdFleet`: nobody starts before then. */
  | { readonly do: 'delay'; readonly until: number; readonly rateLimitAll: boolean }
  /**
   * Run it again then, after what waits with its priority, no attempt used. `holdFleet` as above; `pause`: close the queue
   * first.
   */
  | {
      readonly do: 'defer'
      readonly until: number
      readonly rateLimitAll: boolean
      readonly pause: PauseCause | null
    }
  /** Pause the queue and give the job back to its head, no attempt used. */
  | { readonly do: 'pause'; readonly cause: PauseCause }
  /**
   * A used attempt: BullMQ records the failure and delays the job. When due it runs before the backlog, or, `behind`, after
   * what waits with its priority. `pause`: close the queue first.
   */
  | {
      readonly do: 'retry'
      readonly delayMs: number
      readonly reason: string
      readonly behind: boolean
      readonly pause: PauseCause | null
    }
  /** Dead: into the failed set with this reason, from where the mover parks it. `pause`: close the queue first. */
  | { readonly do: 'deadLetter'; readonly reason: string; readonly pause: PauseCause | null }
