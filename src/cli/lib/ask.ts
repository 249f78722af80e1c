import { createInterface } from 'node:readline/promises'
import { RefusedError } from '../../domain/errors.js'
import { formatNumber, pluralize } from '../../domain/format.js'
import { type Cli, isTerminal } from './cli.js'

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
      throw new RefusedError(`${doubts.join(' ')} Not a terminal. Pass --yes to confirm, or ${spending.wayOut}`, {
        code: 'confirmation_required',
      })
    }
    throw new RefusedError(
      `This may cost ${pluralize(credits, 'credit')}, more than TRACKYARD_CONFIRM_ABOVE (${formatNumber(confirmAbove)}). ` +
        `Not a terminal. Pass --yes to confirm, or ${spending.wayOut}`,
      { code: 'confirmation_required' },
    )
  }
  return askYesNo(cli, `Release it and spend up to ${pluralize(credits, 'credit')}?`, spending.signal)
}
