import { type ExitCode, errorCode, ReportedError } from '../domain/errors.js'
import { type Cli, type Io, isClosedOutput, openCli, watchOutput } from './lib/cli.js'
import { runProgram } from './program.js'

/**
 * Runs one command line and returns its exit code. Never throws. An error that the user can act on
 * is one or two sentences on stderr; any other error is exit 1 with a hint how to see the stack
 * trace.
 * @param argv without node and the script path
 */
export async function run(argv: readonly string[], io: Io): Promise<ExitCode> {
  const outputFailure = watchOutput(io)
  const cli = openCli(io)
  const outcome = await runProgram(argv, cli).catch((error: unknown) => ({ error }))
  const failure = await outputFailure()
  if (failure !== null) {
    cli.say(`Could not write the output (${failure.message}). Free some space, or write it elsewhere, and try again.`)
    return 3
  }
  return typeof outcome === 'object' ? report(outcome.error, cli) : outcome
}

function report(error: unknown, cli: Cli): ExitCode {
  // The reader closed the pipe, as in `| head`.
  if (isClosedOutput(error)) return 0
  if (error instanceof ReportedError) {
    cli.say(error.message)
    if (cli.debug) cli.detail(stackOf(error))
    return error.exitCode
  }
  if (isRefusedBySystem(error)) {
    cli.say(
      `The operating system refused: ${error.message}. Check the path, its permissions, the disk space and the limits of this user.`,
    )
    if (cli.debug) cli.detail(stackOf(error))
    return 1
  }
  cli.say(`Unexpected error: ${error instanceof Error ? error.message : String(error)}`)
  if (cli.debug) cli.detail(stackOf(error))
  else cli.say('This is a bug or a broken machine. Set TRACKYARD_LOG_LEVEL=debug to see the stack trace.')
  return 1
}

/** An error of the machine that no code expected, such as a symlink loop: not a bug of ours. */
function isRefusedBySystem(error: unknown): error is Error {
  return error instanceof Error && 'syscall' in error && /^E[A-Z0-9]+$/.test(errorCode(error))
}

function stackOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const stack = error.stack ?? error.message
  return error.cause === undefined ? stack : `${stack}\ncaused by ${stackOf(error.cause)}`
}
