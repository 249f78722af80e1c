import { createInterface } from 'node:readline/promises'
import type { Cli } from './cli.js'
import { isTerminal } from './io.js'

/** Whether a person can answer. Questions go to stderr, so that stdout may be a file. */
export function canAsk(cli: Cli): boolean {
  return isTerminal(cli.io.stdin) && isTerminal(cli.io.stderr)
}

/**
 * Only y or yes counts as yes; the end of the input is a no. @throws the signal's reason when
 * aborted
 */
export async function askYesNo(cli: Cli, question: string, signal?: AbortSignal): Promise<boolean> {
  signal?.throwIfAborted()
  const terminal = createInterface({ input: cli.io.stdin, output: cli.io.stderr, terminal: false })
  const closed = new Promise<string>((resolve) => terminal.once('close', () => resolve('')))
  try {
    const answered = terminal.question(`${question} [y/N] `, signal === undefined ? {} : { signal })
    return /^\s*y(es)?\s*$/i.test(await Promise.race([answered, closed]))
  } finally {
    terminal.close()
  }
}
