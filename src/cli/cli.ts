import type { ExitCode } from '../domain/errors.js'
import { type Io, isClosed, type Out } from './io.js'
import { openPaint, type Paint } from './render/paint.js'
import { terminalSafe } from './terminal-safe.js'

/** What every command uses for output. */
export interface Cli {
  readonly io: Io
  /** Colours for stdout. */
  readonly paint: Paint
  /** Prints a result to stdout. */
  print(text: string): void
  /**
   * Prints one document to stdout, and nothing else.
   * @param stringify for documents whose numbers JavaScript would not write back as they were read
   */
  printJson(document: unknown, stringify?: (document: unknown) => string): void
  /** Prints progress, questions and errors to stderr. */
  say(text: string): void
  /** A dim line on stderr. */
  detail(text: string): void
  /** Whether to show stack traces. Before the settings are read, from the environment only. */
  debug: boolean
}

/** Runs a command's work; `define` hands it to commander as the action. */
export type Act = (work: (cli: Cli) => Promise<ExitCode>) => Promise<void>

export function openCli(io: Io): Cli {
  const paint = openPaint(io.stdout, io.env)
  const errorPaint = openPaint(io.stderr, io.env)
  return {
    io,
    paint,
    print: (text) => write(io.stdout, `${terminalSafe(text, true)}\n`),
    printJson: (document, stringify = indented) => write(io.stdout, `${stringify(document)}\n`),
    say: (text) => write(io.stderr, `${terminalSafe(text)}\n`),
    detail: (text) => write(io.stderr, `${errorPaint.dim(terminalSafe(text))}\n`),
    debug: io.env.TRACKYARD_LOG_LEVEL === 'debug',
  }
}

function write(stream: Out, text: string): void {
  if (!isClosed(stream)) stream.write(text)
}

function indented(document: unknown): string {
  return JSON.stringify(document, null, 2)
}
