import { type ErrorCode, type ExitCode, errorCode, ReportedError, splitHint } from '../domain/errors.js'
import type { ErrorBody } from './documents.js'
import { type Cli, type Io, isClosedOutputError, isStreamClosed, jsonStyle, openCli, watchOutput } from './lib/cli.js'
import { runProgram } from './program.js'

/**
 * Runs one command line and returns its exit code. Never throws. An error that the user can act on
 * is one or two sentences on stderr; any other error is exit 1 with a hint how to see the stack
 * trace. With --json, the error is in the document on stdout too.
 * @param argv without node and the script path
 */
export async function run(argv: readonly string[], io: Io): Promise<ExitCode> {
  const outputFailure = watchOutput(io)
  const cli = openCli(io, jsonStyle(argv))
  const { code, error } = await runProgram(argv, cli).then(
    (exitCode) => ({ code: exitCode, error: null }),
    // What kept stdout from being written is told below.
    async (thrown: unknown) =>
      thrown === (await outputFailure()) ? { code: OUTPUT_FAILED, error: null } : report(thrown, cli),
  )
  cli.finish(error)
  const failure = await outputFailure()
  if (failure === null) return code
  cli.say(`Could not write the output (${failure.message}). Free some space, or write it elsewhere, and try again.`)
  return OUTPUT_FAILED
}

const OUTPUT_FAILED: ExitCode = 3

function report(error: unknown, cli: Cli): { readonly code: ExitCode; readonly error: ErrorBody | null } {
  // The reader closed the pipe, as in `| head`.
  if (isClosedOutputError(error) && isStreamClosed(cli.io.stdout)) return { code: 0, error: null }
  const { exitCode, code, message } = explain(error, cli.debug)
  cli.say(message)
  if (cli.debug) cli.detail(stackOf(error))
  const hint = error instanceof ReportedError ? error.hint : splitHint(message).hint
  const what = hint === null ? message : message.slice(0, -hint.length).trimEnd()
  return { code: exitCode, error: { code, message: what, hint } }
}

function explain(error: unknown, debug: boolean): { exitCode: ExitCode; code: ErrorCode; message: string } {
  if (error instanceof ReportedError) return error
  const found = error instanceof Error ? error.message : String(error)
  if (isRefusedBySystem(error)) {
    return {
      exitCode: 1,
      code: 'refused_by_system',
      message: `The operating system refused: ${found}. Check the path, its permissions, the disk space and the limits of this user.`,
    }
  }
  const hint = debug ? '' : '\nThis is a bug or a broken machine. Set TRACKYARD_LOG_LEVEL=debug to see the stack trace.'
  return { exitCode: 1, code: 'unexpected', message: `Unexpected error: ${found}${hint}` }
}

/** An error of the machine that no code expected, such as a symlink loop: not a bug of ours. */
function isRefusedBySystem(error: unknown): boolean {
  return error instanceof Error && 'syscall' in error && /^E[A-Z0-9]+$/.test(errorCode(error))
}

function stackOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const stack = error.stack ?? error.message
  return error.cause === undefined ? stack : `${stack}\ncaused by ${stackOf(error.cause)}`
}
