import type { Command } from 'commander'
import type { Act } from './cli.js'

/**
 * The list of commands. Names and summaries are here; the rest of a command is loaded when it is
 * run, so that `--help` does not load BullMQ and SQLite. A file in `commands` defines the arguments
 * and options of a command. A long implementation is in `actions`, a short one beside the
 * definition.
 */
export interface CommandEntry {
  readonly name: string
  readonly summary: string
  readonly group: string
  load(): Promise<CommandModule>
}

interface CommandModule {
  define(command: Command, act: Act): void
  /** Rewrites the arguments of the command before commander parses them. */
  prepare?(words: readonly string[]): readonly string[]
}

const WORK = 'Catalogs:'
export const LOOK = 'Inspect:'
const STEER = 'Control:'
const RUN = 'Run:'

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
    summary: 'let a batch continue, or raise its cap',
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
    summary: 'continue after any pause',
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
