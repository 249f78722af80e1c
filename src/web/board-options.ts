import type { StatusReport } from '../batches/status-report.js'
import type { Settings } from '../config/settings.js'
import type { Logger } from '../domain/logger.js'
import type { Store, WhichBatches } from '../store/store.js'
import type { BoardActions, BoardQueue } from './adapters.js'

export interface WhichReport extends Partial<WhichBatches> {
  /** Why Redis is not asked: then the report is from the store alone. */
  readonly redisProblem?: string
}

/** What the board needs. It closes none of it. */
export interface BoardOptions extends Omit<Settings['board'], 'url'> {
  readonly queues: { readonly search: BoardQueue; readonly deadLetters: BoardQueue }
  /** The use cases behind Pause and Resume, shared with the command line. */
  readonly actions: BoardActions
  readonly store: Pick<Store, 'reports' | 'deadLetters' | 'batches' | 'calls' | 'activity' | 'timeline'>
  /** TRACKYARD_CONFIRM_ABOVE: an action that may cost more credits asks first. */
  readonly confirmAbove: number
  /** Of the database, whose time is in every row. */
  readonly now: () => number
  report(which?: WhichReport): Promise<StatusReport>
  /** Whether work can continue. /readyz returns this without a password. */
  ready(): Promise<{ readonly ok: boolean; readonly reason: string }>
  readonly log: Logger
  readonly version: string
}
