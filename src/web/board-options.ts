import type { StatusReport } from '../batches/status-report.js'
import type { Logger } from '../domain/logger.js'
import type { Totals } from '../store/store.js'
import type { BoardActions, BoardQueue } from './adapters.js'

/** What the board is given; everything in it is borrowed. */
export interface BoardOptions {
  readonly host: string
  /** 0: any free port. */
  readonly port: number
  /** Where a reverse proxy shows it, such as `/queues-admin`; empty: at the root. */
  readonly path: string
  /** Null: `trackyard`, if there is a password. */
  readonly user: string | null
  /** Null: no password, which is accepted on loopback only. */
  readonly password: string | null
  /** Refuses every request that would change something, and hides the buttons. */
  readonly readOnly: boolean
  readonly queues: { readonly search: BoardQueue; readonly deadLetters: BoardQueue }
  /** What Pause and Resume do: the use cases of the command line. */
  readonly actions: BoardActions
  report(): Promise<StatusReport>
  metrics(): Promise<Totals>
  /** Whether work can go on: what /readyz says, to everybody. */
  ready(): Promise<{ readonly ok: boolean; readonly reason: string }>
  readonly log: Logger
  readonly version: string
}
