import type { Readable, Writable } from 'node:stream'
import { setImmediate } from 'node:timers/promises'
import { errorCode } from '../domain/error-code.js'

/** What a command line has around it; the bin passes the process's own, tests pass their own. */
export interface Io {
  readonly stdout: Out
  readonly stderr: Out
  readonly stdin: In
  readonly env: Readonly<Record<string, string | undefined>>
  /** Relative paths and `.env` are looked up here. */
  readonly cwd: string
  /** Asked for by commands that stop cleanly at Ctrl-C, for as long as they run. */
  interruptSignal(): Interrupt
}

export interface Interrupt {
  readonly signal: AbortSignal
  dispose(): void
}

export type Out = Writable & { readonly isTTY?: boolean; readonly columns?: number }
export type In = Readable & { readonly isTTY?: boolean }

/** Bars, redrawing and questions are for eyes; everything else gets plain lines. */
export function isTerminal(stream: Out | In): boolean {
  return stream.isTTY === true
}

/**
 * Without a listener a failing output would end the process. `trackyard-batch … | head` closes it early, and a
 * closed terminal answers EIO: what is written after that is nobody's. Anything else (a full disk behind `> file`) is
 * kept for the end.
 * @returns why not all of stdout was written, where somebody wanted to have it; null when all is well
 */
export function watchOutput(io: Pick<Io, 'stdout' | 'stderr'>): () => Promise<Error | null> {
  let trouble: Error | null = null
  for (const stream of [io.stdout, io.stderr]) {
    stream.on('error', (error) => {
      if (isClosedOutput(error) || (isTerminal(stream) && errorCode(error) === 'EIO')) closedStreams.add(stream)
      else if (stream === io.stdout) trouble ??= error
    })
  }
  return async () => {
    // A write reports its failure a turn later.
    await setImmediate()
    return trouble
  }
}

/** Kept here, since Node's own stdout forgets its errors. */
const closedStreams = new WeakSet<Out>()

export function isClosed(stream: Out): boolean {
  return closedStreams.has(stream) || stream.destroyed || stream.writableEnded || stream.errored !== null
}

export function isClosedOutput(error: unknown): boolean {
  return CLOSED.includes(errorCode(error))
}

const CLOSED = ['EPIPE', 'ERR_STREAM_DESTROYED', 'ERR_STREAM_WRITE_AFTER_END']
