import type { StatusReport } from '../batches/status-report.js'
import type { Logger } from '../domain/logger.js'
import type { Sample, SampleQuery } from '../store/activity.js'
import type { Store, Totals } from '../store/store.js'
import type { TimelineEntry, TimeRange } from '../store/timeline.js'
import type { BoardActions, BoardQueue } from './adapters.js'

/** What the board needs. It closes none of it. */
export interface BoardOptions {
  readonly host: string
  /** 0: any free port. */
  readonly port: number
  /**
   * The path at which a reverse proxy serves the board, such as `/queues-admin`. Empty: the root.
   */
  readonly path: string
  /** Null: `trackyard`, if there is a password. */
  readonly user: string | null
  /** Null: no password, which is allowed on loopback only. */
  readonly password: string | null
  /** Refuses every request that would change something, and hides the buttons. */
  readonly readOnly: boolean
  readonly queues: { readonly search: BoardQueue; readonly deadLetters: BoardQueue }
  /** The use cases behind Pause and Resume, shared with the command line. */
  readonly actions: BoardActions
  /** For the pages of batches, dead letters and search results. */
  readonly store: Pick<Store, 'reports' | 'deadLetters' | 'batches' | 'schedules' | 'account' | 'calls'>
  /** TRACKYARD_CONFIRM_ABOVE: an action that may cost more credits asks first. */
  readonly confirmAbove: number
  /** @param batchId only this batch; default: the latest */
  report(batchId?: number): Promise<StatusReport>
  /** The same from the store alone, for a Redis that does not answer. @param silence the message about it */
  reportWithoutRedis(silence: string, batchId?: number): Promise<StatusReport>
  /** What the charts show; see `ActivityStore`. */
  samples(which: SampleQuery): Promise<readonly Sample[]>
  /** What happened, newest first. */
  timeline(limit: number, between?: TimeRange): Promise<readonly TimelineEntry[]>
  metrics(): Promise<Totals>
  /** Whether work can continue. /readyz returns this without a password. */
  ready(): Promise<{ readonly ok: boolean; readonly reason: string }>
  readonly log: Logger
  readonly version: string
}
