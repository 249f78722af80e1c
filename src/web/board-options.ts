import type { StatusReport } from '../batches/status-report.js'
import type { Logger } from '../domain/logger.js'
import type { Store } from '../store/store.js'
import type { BoardActions, BoardQueue } from './adapters.js'

export interface WhichReport {
  /** Only this batch. Default: the latest ones. */
  readonly batchId?: number | undefined
  /** Why Redis is not asked: then the report is from the store alone. */
  readonly redisProblem?: string
}

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
