import type { Command } from 'commander'
import type { Act } from './cli.js'

/**
 * The list of what exists. Names and summaries are known at once; the rest of a command is loaded when
 * it is asked for, so that `--help` does not wait for a queue and a database. A file in `commands` says a
 * command's words and options; what it does stands beside them, or, where that is more than a page, in `actions`.
 */
export interface CommandEntry {
  readonly name: string
  readonly summary: string
  readonly group: string
  load(): Promise<CommandModule>
}

interface CommandModule {
  define(command: Command, act: Act): void
  /** The words behind the command's name, as commander shall read them. */
  prepare?(words: readonly string[]): readonly string[]
}

const WORK = 'Catalogs in, tagged catalogs out:'
export const LOOK = 'Looking:'
const STEER = 'Steering:'
const RUN = 'Running:'

export const COMMANDS: readonly CommandEntry[] = [
  {
    name: 'submit',
    summary: 'load a catalog, show what it costs, release it',
    group: WORK,
    load: () => import('./commands/submit.js'),
  },
  {
    name: 'wait',
    summary: 'wait until a batch is done',
    group: WORK,
    load: () => import('./commands/wait.js'),
  },
  {
    name: 'export',
    summary: 'write the tagged catalog',
    group: WORK,
    load: () => import('./commands/export.js'),
  },
  {
    name: 'status',
    summary: 'what is done, what is due, why it moves or does not',
    group: LOOK,
    load: () => import('./commands/status.js'),
  },
  {
    name: 'show',
    summary: 'everything about one row or search',
    group: LOOK,
    load: () => import('./commands/show.js'),
  },
  {
    name: 'dead-letters',
    summary: 'searches that failed for good: list, show, retry, discard',
    group: LOOK,
    load: () => import('./commands/dead-letters.js'),
  },
  {
    name: 'account',
    summary: 'balance and limits of the API key',
    group: LOOK,
    load: () => import('./commands/account.js'),
  },
  {
    name: 'release',
    summary: 'let a batch go on, or raise its cap',
    group: STEER,
    load: () => import('./commands/release.js'),
  },
  {
    name: 'cancel',
    summary: 'stop one batch, keep what it has',
    group: STEER,
    load: () => import('./commands/cancel.js'),
  },
  {
    name: 'pause',
    summary: 'make no more calls until resume',
    group: STEER,
    load: () => import('./commands/pause.js'),
  },
  {
    name: 'resume',
    summary: 'go on after any pause',
    group: STEER,
    load: () => import('./commands/resume.js'),
  },
  {
    name: 'up',
    summary: 'run everything on this machine: Redis, a worker, the board',
    group: RUN,
    load: () => import('./commands/up.js'),
  },
  {
    name: 'worker',
    summary: 'run one worker',
    group: RUN,
    load: () => import('./commands/worker.js'),
  },
  {
    name: 'board',
    summary: 'run Bull Board',
    group: RUN,
    load: () => import('./commands/board.js'),
  },
  {
    name: 'down',
    summary: 'stop all workers, then the private Redis',
    group: RUN,
    load: () => import('./commands/down.js'),
  },
  {
    name: 'simulate',
    summary: 'run a simulated API that costs nothing',
    group: RUN,
    load: () => import('./commands/simulate.js'),
  },
]
