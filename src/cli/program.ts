import { Command, CommanderError } from 'commander'
import { version } from '../app/version.js'
import { type ExitCode, UsageError } from '../domain/errors.js'
import { truncate } from '../domain/format.js'
import { type Act, type Cli, terminalSafe, write } from './lib/cli.js'
import { addExamples } from './lib/parse.js'

/**
 * Names and summaries of all commands. The rest of a command is its file in `commands`, which is
 * loaded when the command is run or its help is printed.
 */

export interface CommandEntry {
  readonly name: string
  readonly summary: string
  readonly group: string
  load(): Promise<CommandModule>
}

interface CommandModule {
  define(command: Command, act: Act): void
}

const LOOK = 'Inspect:'

const entry = (group: string, name: string, summary: string, load: CommandEntry['load']): CommandEntry => ({
  group,
  name,
  summary,
  load,
})

export const COMMANDS: readonly CommandEntry[] = [
  entry('Catalogs:', 'submit', 'load a catalog, show what it costs, release it', () => import('./commands/submit.js')),
  entry('Catalogs:', 'wait', 'wait until a batch is done', () => import('./commands/wait.js')),
  entry('Catalogs:', 'export', 'write the tagged catalog', () => import('./commands/export.js')),
  entry('Catalogs:', 'report', 'write the morning report, one HTML file', () => import('./commands/report.js')),
  entry(
    LOOK,
    'status',
    'what is done, what is due, and the current state with its cause',
    () => import('./commands/status.js'),
  ),
  entry(LOOK, 'show', 'everything about one row or search', () => import('./commands/show.js')),
  entry(
    LOOK,
    'dead-letters',
    'searches that failed for good: list, show, retry, discard',
    () => import('./commands/dead-letters.js'),
  ),
  entry(LOOK, 'account', 'balance and limits of the API key', () => import('./commands/account.js')),
  entry('Control:', 'release', 'let a batch continue, or raise its cap', () => import('./commands/release.js')),
  entry('Control:', 'cancel', 'stop one batch, keep what it has', () => import('./commands/cancel.js')),
  entry('Control:', 'pause', 'make no more calls until resume', () => import('./commands/pause.js')),
  entry('Control:', 'resume', 'continue after any pause', () => import('./commands/resume.js')),
  entry('Run:', 'up', 'run everything on this machine: Redis, a worker, the board', () => import('./commands/up.js')),
  entry('Run:', 'worker', 'run one worker', () => import('./commands/worker.js')),
  entry('Run:', 'board', 'run the board', () => import('./commands/board.js')),
  entry('Run:', 'down', 'stop all workers, then the private Redis', () => import('./commands/down.js')),
  entry('Run:', 'store', 'copy the store to PostgreSQL, or back', () => import('./commands/store.js')),
  entry('Run:', 'simulate', 'run a simulated API that costs nothing', () => import('./commands/simulate.js')),
  entry('Set up:', 'init', 'write .env from a few questions, and check the key', () => import('./commands/init.js')),
  entry('Set up:', 'doctor', 'check everything that a night needs', () => import('./commands/doctor.js')),
  entry(
    'Set up:',
    'completion',
    'print a script that completes commands in your shell',
    () => import('./commands/completion.js'),
  ),
]

/** Parses the command line and runs the command that it names. @throws what the command throws */
export async function runProgram(argv: readonly string[], cli: Cli): Promise<ExitCode> {
  let code: ExitCode = 0
  const program = await buildProgram(argv, cli, async (work) => {
    code = await work(cli)
  })
  try {
    await program.parseAsync([...argv], { from: 'user' })
    return code
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error
    // Help or the version, printed already. Commander's own exit codes are only 0 and 1.
    if (/^commander\.(help|version)/.test(error.code)) return error.exitCode === 0 ? 0 : 2
    throw new UsageError(`${message(error.message)}\nRun with --help for usage.`)
  }
}

/** Registers all commands by name, and defines only the one that is run. */
async function buildProgram(argv: readonly string[], cli: Cli, act: Act): Promise<Command> {
  const program = new Command('trackyard-batch')
    .description(
      "Runs every row of a catalog through Trackyard's music search and writes the catalog back with tags.\n" +
        'Answers are kept and reused: submitting a file again does not buy them again.',
    )
    .version(version(), '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print this help')
    .exitOverride()
    .configureOutput({
      writeOut: (text) => write(cli.io.stdout, terminalSafe(text)),
      writeErr: (text) => write(cli.io.stderr, terminalSafe(text)),
      // The error is thrown, too.
      outputError: () => {},
      getOutHelpWidth: () => cli.io.stdout.columns || 100,
      getErrHelpWidth: () => cli.io.stderr.columns || 100,
    })
  const named = namedCommand(argv)
  for (const { name, summary, group, load } of COMMANDS) {
    const command = program
      .command(name)
      .summary(summary)
      .description(`${upperFirst(summary)}.`)
      .helpGroup(group)
    // A completion script has the options of all commands.
    if (name !== named && named !== 'completion') continue
    const { define } = await load()
    define(command, act)
  }
  // After the loop: a command with subcommands would inherit the help command and its group.
  program.commandsGroup(LOOK).helpCommand('help [command]', 'print this help, or the help of a command')
  addExamples(
    program,
    'trackyard-batch up                                                  # in one terminal',
    'trackyard-batch submit catalog.csv --query "{title} {mood} music"   # in another',
    'trackyard-batch wait && trackyard-batch export',
  )
  program.addHelpText('after', SETTINGS_HELP)
  return program
}

/** Names only: loading the table of settings would double the time that help takes. */
const SETTINGS_HELP = `
Settings, from the environment or from .env in the current directory. All begin with TRACKYARD_;
.env.example has the meaning and the default of each:
  API_KEY  API_URL  RATE_LIMIT  ACTIVE_HOURS  TIME_ZONE  REQUEST_TIMEOUT_MS  DATA_DIR
  REDIS_URL  REDIS_CA_FILE  REDIS_NAT_MAP  DATABASE_URL  DATABASE_CA_FILE  CONCURRENCY  MAX_ATTEMPTS
  BACKOFF_BASE_MS  BACKOFF_MAX_MS  LOCK_DURATION_MS  STALLED_INTERVAL_MS
  SHUTDOWN_GRACE_MS  CREDIT_RESERVE  CREDIT_CHECK_MS  AUTO_RESUME_HOURS  CONFIRM_ABOVE
  BOARD_HOST  BOARD_PORT  BOARD_PATH  BOARD_USER  BOARD_PASSWORD  BOARD_READ_ONLY  BOARD_URL  WEBHOOK_URL
  WEBHOOK_SECRET  DEAD_LETTER_ALERT_PERCENT  LOG_LEVEL
A secret may come from a file instead: API_KEY_FILE, REDIS_URL_FILE, …`

/**
 * The first argument that is not an option, also after `help`. No option before it takes a value.
 */
function namedCommand(argv: readonly string[]): string | undefined {
  const [first, second] = argv.filter((word) => !word.startsWith('-'))
  return first === 'help' ? second : first
}

/** "error: unknown option '--quey'" → "Unknown option '--quey'." */
function message(raw: string): string {
  const text = raw.replace(
    /argument '([\s\S]*)' is invalid/,
    (_, value: string) => `argument '${truncate(value, 60)}' is invalid`,
  )
  const [first = '', ...rest] = text.replace(/^error: /, '').split('\n')
  const ended = /[.:!?]$/.test(first) ? first : `${first}.`
  return [upperFirst(ended), ...rest].join('\n')
}

function upperFirst(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1)
}
