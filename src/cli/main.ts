import { errorCode } from '../domain/error-code.js'
import { type ExitCode, ReportedError } from '../domain/errors.js'
import { type Cli, openCli } from './cli.js'
import { type Io, isClosedOutput, watchOutput } from './io.js'
import { runProgram } from './program.js'

/**
 * The command line, from words to exit code. Never throws: what a person can act on is one or two
 * sentences on stderr, everything else is exit 1 and says how to see more.
 * @param argv without node and the script
 */
export async function run(argv: readonly string[], io: Io): Promise<ExitCode> {
  const outputTrouble = watchOutput(io)
  const cli = openCli(io)
  const outcome = await runProgram(argv, cli).catch((error: unknown) => ({ error }))
  const trouble = await outputTrouble()
  if (trouble !== null) {
    cli.say(`The output could not be written (${trouble.message}): make room, or write it elsewhere, and try again.`)
    return 3
  }
  return typeof outcome === 'object' ? report(outcome.error, cli) : outcome
}

function report(error: unknown, cli: Cli): ExitCode {
  // Whoever read our output has seen enough.
  if (isClosedOutput(error)) return 0
  if (error instanceof ReportedError) {
    cli.say(error.message)
    if (cli.debug) cli.detail(stackOf(error))
    return error.exitCode
  }
  if (isRefusedBySystem(error)) {
    cli.say(
      `The system refused: ${error.message}. Check the path, its permissions, the space on the disk and the limits of this user.`,
    )
    if (cli.debug) cli.detail(stackOf(error))
    return 1
  }
  cli.say(`Unexpected error: ${error instanceof Error ? error.message : String(error)}`)
  if (cli.debug) cli.detail(stackOf(error))
  else cli.say('This is a bug or a broken machine; set TRACKYARD_LOG_LEVEL=debug to see where it happened.')
  return 1
}

/** A plain mistake that nobody expected here, such as a link that leads back to itself: no bug of ours. */
function isRefusedBySystem(error: unknown): error is Error {
  return error instanceof Error && 'syscall' in error && /^E[A-Z0-9]+$/.test(errorCode(error))
}

function stackOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const stack = error.stack ?? error.message
  return error.cause === undefined ? stack : `${stack}\ncaused by ${stackOf(error.cause)}`
}
