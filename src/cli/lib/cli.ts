import type { Readable, Writable } from 'node:stream'
import { setImmediate } from 'node:timers/promises'
import { styleText } from 'node:util'
import { type ExitCode, errorCode } from '../../domain/errors.js'
import type { DocumentBody, DocumentKind, ErrorBody } from '../documents.js'

/** The streams and environment of a command: the real ones in the bin, fakes in tests. */
export interface Io {
  readonly stdout: Out
  readonly stderr: Out
  readonly stdin: In
  readonly env: Readonly<Record<string, string | undefined>>
  /** Base for relative paths and `.env`. */
  readonly cwd: string
  /** For commands that stop cleanly at Ctrl-C, while they run. */
  interruptSignal(): Interrupt
}

export interface Interrupt {
  readonly signal: AbortSignal
  dispose(): void
}

export type Out = Writable & { readonly isTTY?: boolean; readonly columns?: number; readonly rows?: number }
export type In = Readable & { readonly isTTY?: boolean }

/** What every command uses for output. */
export interface Cli {
  readonly io: Io
  /** Colours for stdout. */
  readonly paint: Paint
  /** With --json, stdout gets documents only. */
  readonly json: boolean
  /** Prints a result for people to stdout. */
  print(text: string): void
  /**
   * With --json: the one document of this command. It is printed when the command ends, with the error if there is one.
   * @param stringify for documents whose numbers JavaScript would not write back as they were read
   */
  result<K extends DocumentKind>(kind: K, body: DocumentBody<K>, stringify?: (document: unknown) => string): void
  /** With --json, for a command that follows something: prints one document, on one line, at once. */
  emit<K extends DocumentKind>(kind: K, body: DocumentBody<K>): void
  /** Called once, at the end. */
  finish(error: ErrorBody | null): void
  /** Prints progress, questions and errors to stderr. */
  say(text: string): void
  /** A dim line on stderr, for people. */
  detail(text: string): void
  /** Whether to show stack traces. Before the settings are read, from the environment only. */
  debug: boolean
}

/** Runs a command's work; `define` hands it to commander as the action. */
export type Act = (work: (cli: Cli) => Promise<ExitCode>) => Promise<void>

/** Null: no documents. `lines`: one on each line, for a command that follows something. */
export type JsonStyle = 'one' | 'lines' | null

/** Known before the arguments are parsed, so that a mistake in them is a document too. */
export function jsonStyle(argv: readonly string[]): JsonStyle {
  const end = argv.indexOf('--')
  const words = argv.slice(0, end === -1 ? undefined : end)
  if (!words.includes('--json')) return null
  return words.some((word) => /^(--follow|--watch|-w)$/.test(word)) ? 'lines' : 'one'
}

/** Raised when a name or a meaning in a document changes; not when something is added. */
const VERSION = 1

export function openCli(io: Io, style: JsonStyle = null): Cli {
  const json = style !== null
  const errorPaint = openPaint(io.stderr, io.env)
  let result: { readonly document: object; readonly stringify: (document: unknown) => string } | null = null
  const writeLine = (text: string) => write(io.stdout, `${text}\n`)
  return {
    io,
    json,
    paint: openPaint(io.stdout, io.env),
    print: (text) => {
      if (!json) writeLine(terminalSafe(text, true))
    },
    result: (kind, body, stringify = indented) => {
      result = { document: { version: VERSION, kind, ...body }, stringify }
    },
    emit: (kind, body) => {
      if (json) writeLine(JSON.stringify({ version: VERSION, kind, ...body }))
    },
    finish: (error) => {
      if (!json || (result === null && error === null)) return
      const { document, stringify } = result ?? { document: { version: VERSION, kind: 'error' }, stringify: indented }
      const whole = error === null ? document : { ...document, error }
      writeLine(style === 'lines' ? JSON.stringify(whole) : stringify(whole))
    },
    say: (text) => write(io.stderr, `${terminalSafe(text)}\n`),
    detail: (text) => {
      if (!json) write(io.stderr, `${errorPaint.dim(terminalSafe(text))}\n`)
    },
    debug: io.env.TRACKYARD_LOG_LEVEL === 'debug',
  }
}

export function write(stream: Out, text: string): void {
  if (!isStreamClosed(stream)) stream.write(text)
}

function indented(document: unknown): string {
  return JSON.stringify(document, null, 2)
}

/** Only a terminal gets progress bars, redrawing and questions; anything else gets plain lines. */
export function isTerminal(stream: Out | In): boolean {
  return stream.isTTY === true
}

/** Colours on a terminal, unless NO_COLOR is set to anything but an empty string (no-color.org). */
export type Paint = Readonly<Record<keyof typeof STYLES, (text: string) => string>>

const STYLES = { bold: 'bold', dim: 'dim', good: 'green', warn: 'yellow', bad: 'red' } as const

export function openPaint(stream: Out, env: Io['env']): Paint {
  const on = isTerminal(stream) && (env.NO_COLOR ?? '') === '' && env.TERM !== 'dumb'
  const style = (name: keyof typeof STYLES) => (text: string) =>
    on ? styleText(STYLES[name], text, { validateStream: false }) : text
  return { bold: style('bold'), dim: style('dim'), good: style('good'), warn: style('warn'), bad: style('bad') }
}

/** A control character, with the rest of a colour sequence if there is one. */
const CONTROL = /\p{Cc}(\[\d{1,2}m)?/gu

/**
 * Text from a catalog, a server or a command line may contain escape sequences, which can move the
 * cursor or rename the window. Of all control characters only newlines and tabs are kept; others
 * become �.
 * @param isPainted keep colours, which are ours
 */
export function terminalSafe(text: string, isPainted = false): string {
  return text.replace(CONTROL, (found, colour: string | undefined) => {
    if (found[0] === '\n' || found[0] === '\t') return found
    return isPainted && colour !== undefined && found[0] === '\u001B' ? found : `\uFFFD${colour ?? ''}`
  })
}

/**
 * Listens for output errors, since without a listener they would end the process. `trackyard-batch
 * … | head` closes the output early, and a closed terminal returns EIO: both are ignored. Any other
 * error on stdout (a full disk behind `> file`) is reported at the end.
 * @returns the error that kept stdout from being written completely; null if there was none
 */
export function watchOutput(io: Pick<Io, 'stdout' | 'stderr'>): () => Promise<Error | null> {
  let failure: Error | null = null
  for (const stream of [io.stdout, io.stderr]) {
    stream.on('error', (error) => {
      if (isClosedOutputError(error) || (isTerminal(stream) && errorCode(error) === 'EIO')) closedStreams.add(stream)
      else if (stream === io.stdout) failure ??= error
    })
  }
  return async () => {
    // A write reports its failure in the next turn of the event loop.
    await setImmediate()
    return failure
  }
}

/** Tracked here because Node does not keep the errors of its own stdout. */
const closedStreams = new WeakSet<Out>()

export function isStreamClosed(stream: Out): boolean {
  return closedStreams.has(stream) || stream.destroyed || stream.writableEnded || stream.errored !== null
}

export function isClosedOutputError(error: unknown): boolean {
  return ['EPIPE', 'ERR_STREAM_DESTROYED', 'ERR_STREAM_WRITE_AFTER_END'].includes(errorCode(error))
}
