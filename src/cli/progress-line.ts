import type { Cli } from './cli.js'
import { isTerminal } from './io.js'

/** A progress line on stderr: redrawn in place on a terminal, a new line every 10 s elsewhere. */
export interface ProgressLine {
  show(text: string): void
  /** Removes the line from the terminal. */
  clear(): void
}

const REDRAW_MS = 100
const PLAIN_MS = 10_000

export function openProgressLine(cli: Cli, monotonicMs: () => number = () => performance.now()): ProgressLine {
  const onTerminal = isTerminal(cli.io.stderr)
  let drawn = false
  let nextAt = onTerminal ? 0 : monotonicMs() + PLAIN_MS
  return {
    show(text) {
      if (monotonicMs() < nextAt) return
      nextAt = monotonicMs() + (onTerminal ? REDRAW_MS : PLAIN_MS)
      if (onTerminal) cli.io.stderr.write(`\r\u001B[K${text}`)
      else cli.say(text)
      drawn = true
    },
    clear() {
      if (onTerminal && drawn) cli.io.stderr.write('\r\u001B[K')
      drawn = false
    },
  }
}
