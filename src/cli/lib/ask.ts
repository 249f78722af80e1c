import { createInterface } from 'node:readline/promises'
import { Writable } from 'node:stream'
import { RefusedError } from '../../domain/errors.js'
import { formatNumber, pluralize } from '../../domain/format.js'
import { type Cli, isTerminal, write } from './cli.js'
import { endedEarly } from './interrupt.js'

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

/** One line, without the white space around it; empty at the end of the input. */
export async function askText(cli: Cli, question: string, signal: AbortSignal): Promise<string> {
  return ask(cli, question, { output: cli.io.stderr, terminal: false }, signal)
}

/** The same, and nothing of the answer is shown. */
export async function askSecret(cli: Cli, question: string, signal: AbortSignal): Promise<string> {
  const silent = new Writable({ write: (_chunk, _encoding, done) => done() })
  write(cli.io.stderr, `${question} `)
  try {
    // As a terminal, so that it takes over the echo.
    return await ask(cli, '', { output: silent, terminal: true }, signal)
  } finally {
    write(cli.io.stderr, '\n')
  }
}

async function ask(
  cli: Cli,
  question: string,
  how: { readonly output: Writable; readonly terminal: boolean },
  signal: AbortSignal,
): Promise<string> {
  signal.throwIfAborted()
  const lines = createInterface({ input: cli.io.stdin, ...how })
  const closed = new Promise<string>((resolve) => lines.once('close', () => resolve('')))
  const stop = new AbortController()
  // Ctrl-C is a key while the echo is off.
  lines.once('SIGINT', () => stop.abort())
  try {
    const prompt = question === '' ? '' : `${question} `
    const answered = lines.question(prompt, { signal: AbortSignal.any([signal, stop.signal]) })
    return (await Promise.race([answered, closed])).trim()
  } catch (error) {
    if (stop.signal.aborted) return endedEarly()
    throw error
  } finally {
    lines.close()
  }
}

/**
 * When to confirm before credits are spent: above the threshold or with a doubt, unless --yes is
 * given.
 */
export interface Spending {
  readonly credits: number
  /** TRACKYARD_CONFIRM_ABOVE. */
  readonly confirmAbove: number
  readonly yes: boolean
  /** Why these searches may not be what the user wants. Confirmed whatever they cost. */
  readonly doubts?: readonly string[]
  /** False if standard input is the catalog. */
  readonly mayAsk: boolean
  /**
   * Ends the error if there is no terminal: what to do instead, and the state ("cap it with ….
   * Nothing was changed."). Null: without a terminal the command goes ahead.
   */
  readonly wayOut: string | null
  readonly signal: AbortSignal
}

/**
 * @throws RefusedError if confirmation is needed, there is no terminal, and `wayOut` is not null
 */
export async function maySpend(cli: Cli, spending: Spending): Promise<boolean> {
  const { credits, confirmAbove, doubts = [] } = spending
  if (credits === 0 || (credits <= confirmAbove && doubts.length === 0) || spending.yes) return true
  if (!spending.mayAsk || !canAsk(cli)) {
    if (spending.wayOut === null) return true
    if (credits <= confirmAbove) {
      throw new RefusedError(
        `${doubts.join(' ')} Cannot ask here (no terminal, or the catalog comes from it). Pass --yes to confirm, or ${spending.wayOut}`,
        {
          code: 'confirmation_required',
        },
      )
    }
    throw new RefusedError(
      `This may cost ${pluralize(credits, 'credit')}, more than TRACKYARD_CONFIRM_ABOVE (${formatNumber(confirmAbove)}). ` +
        `Cannot ask here (no terminal, or the catalog comes from it). Pass --yes to confirm, or ${spending.wayOut}`,
      { code: 'confirmation_required' },
    )
  }
  return askYesNo(cli, `Release it and spend up to ${pluralize(credits, 'credit')}?`, spending.signal)
}
