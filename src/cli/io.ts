import type { Readable, Writable } from 'node:stream'
import { setImmediate } from 'node:timers/promises'
import { errorCode } from '../domain/error-code.js'

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

export type Out = Writable & { readonly isTTY?: boolean; readonly columns?: number }
export type In = Readable & { readonly isTTY?: boolean }

/** Only a terminal gets progress bars, redrawing and questions; anything else gets plain lines. */
export function isTerminal(stream: Out | In): boolean {
  return stream.isTTY === true
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
      if (isClosedOutput(error) || (isTerminal(stream) && errorCode(error) === 'EIO')) closedStreams.add(stream)
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

export function isClosed(stream: Out): boolean {
  return closedStreams.has(stream) || stream.destroyed || stream.writableEnded || stream.errored !== null
}

export function isClosedOutput(error: unknown): boolean {
  return CLOSED.includes(errorCode(error))
}

const CLOSED = ['EPIPE', 'ERR_STREAM_DESTROYED', 'ERR_STREAM_WRITE_AFTER_END']
