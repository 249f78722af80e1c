import { Command, CommanderError } from 'commander'
import { version } from '../app/version.js'
import type { ExitCode } from '../domain/errors.js'
import type { Act, Cli } from './cli.js'
import { COMMANDS, LOOK } from './commands.js'
import { isClosed, type Out } from './io.js'
import { examples } from './parse.js'
import { truncate } from './render/words.js'
import { terminalSafe } from './terminal-safe.js'

/** Parses the command line and runs the command that it names. @throws what the command throws */
export async function runProgram(argv: readonly string[], cli: Cli): Promise<ExitCode> {
  let code: ExitCode = 0
  const { program, words } = await buildProgram(argv, cli, async (work) => {
    code = await work(cli)
  })
  try {
    await program.parseAsync([...words], { from: 'user' })
    return code
  } catch (error) {
    // Commander has printed the error already; its own exit codes are only 0 and 1.
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2
    throw error
  }
}

/** Registers all commands by name, and defines only the one that is run. */
async function buildProgram(
  argv: readonly string[],
  cli: Cli,
  act: Act,
): Promise<{ readonly program: Command; readonly words: readonly string[] }> {
  const program = new Command('trackyard-batch')
    .description(
      "Runs every row of a catalog through Trackyard's music search and writes the catalog back with tags.\n" +
        'Answers are kept and reused: submitting a file again does not buy them again.',
    )
    .version(version(), '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print this help')
    .exitOverride()
    .configureOutput({
      writeOut: (text) => write(cli.io.stdout, text),
      writeErr: (text) => write(cli.io.stderr, text),
      outputError: (text, put) => put(message(text)),
      getOutHelpWidth: () => cli.io.stdout.columns || 100,
      getErrHelpWidth: () => cli.io.stderr.columns || 100,
    })
    .showHelpAfterError('Run with --help for usage.')
  const named = namedCommand(argv)
  let words = argv
  for (const { name, summary, group, load } of COMMANDS) {
    const command = program
      .command(name)
      .summary(summary)
      .description(`${upperFirst(summary)}.`)
      .helpGroup(group)
    if (name !== named) continue
    const { define, prepare } = await load()
    define(command, act)
    // Not for `help show`: there the arguments are no item.
    if (argv[0] === name && prepare !== undefined) words = [name, ...prepare(argv.slice(1))]
  }
  // After the loop: a command with subcommands would inherit the help command and its group.
  program.commandsGroup(LOOK).helpCommand('help [command]', 'print this help, or the help of a command')
  examples(
    program,
    'trackyard-batch up                                                  # in one terminal',
    'trackyard-batch submit catalog.csv --query "{title} {mood} music"   # in another',
    'trackyard-batch wait && trackyard-batch export',
  )
  program.addHelpText('after', SETTINGS_HELP)
  return { program, words }
}

/** Names only: loading the table of settings would double the time that help takes. */
const SETTINGS_HELP = `
Settings, from the environment or from .env in the current directory. All begin with TRACKYARD_;
.env.example has the meaning and the default of each:
  API_KEY  API_KEY_FILE  API_URL  RATE_LIMIT  REQUEST_TIMEOUT_MS  DATA_DIR  REDIS_URL  CONCURRENCY
  MAX_ATTEMPTS  BACKOFF_BASE_MS  BACKOFF_MAX_MS  LOCK_DURATION_MS  STALLED_INTERVAL_MS
  SHUTDOWN_GRACE_MS  CREDIT_RESERVE  CREDIT_CHECK_MS  AUTO_RESUME_HOURS  CONFIRM_ABOVE
  BOARD_HOST  BOARD_PORT  BOARD_PATH  BOARD_USER  BOARD_PASSWORD  BOARD_READ_ONLY  WEBHOOK_URL  LOG_LEVEL`

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

function write(stream: Out, text: string): void {
  if (!isClosed(stream)) stream.write(terminalSafe(text))
}
