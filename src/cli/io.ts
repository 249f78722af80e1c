import type { Readable, Writable } from 'node:stream'

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

/** `trackyard-batch … | head` closes our output early: what is written after that is nobody's. */
export function tolerateClosedOutput(io: Pick<Io, 'stdout' | 'stderr'>): void {
  for (const stream of [io.stdout, io.stderr]) {
    stream.on('error', (error) => {
      if (!isClosedOutput(error)) throw error
    })
  }
}

export function isClosed(stream: Out): boolean {
  return stream.destroyed || stream.writableEnded || stream.errored !== null
}

export function isClosedOutput(error: unknown): boolean {
  return typeof error === 'object' && error !== null && 'code' in error && CLOSED.includes(String(error.code))
}

const CLOSED = ['EPIPE', 'ERR_STREAM_DESTROYED', 'ERR_STREAM_WRITE_AFTER_END']
