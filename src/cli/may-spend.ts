import { RefusedError } from '../domain/errors.js'
import { askYesNo, canAsk } from './ask.js'
import type { Cli } from './cli.js'
import { formatNumber, pluralize } from './render/words.js'

/** The question before credits are spent: above the threshold or with a doubt, and not where --yes was said. */
export interface Spending {
  readonly credits: number
  /** TRACKYARD_CONFIRM_ABOVE. */
  readonly confirmAbove: number
  readonly yes: boolean
  /** Why these searches may not be what is wanted; asked about whatever they cost. */
  readonly doubts?: readonly string[]
  /** False where standard input is the catalog. */
  readonly mayAsk: boolean
  /**
   * Where nobody can be asked: what to do, and what has become of it ("cap it with …. Nothing was changed.").
   * Null: the command itself is the go-ahead.
   */
  readonly wayOut: string | null
  readonly signal: AbortSignal
}

/** @throws RefusedError where it costs more than the threshold, nobody is there to ask, and that is no go-ahead */
export async function maySpend(cli: Cli, spending: Spending): Promise<boolean> {
  const { credits, confirmAbove, doubts = [] } = spending
  if (credits === 0 || (credits <= confirmAbove && doubts.length === 0) || spending.yes) return true
  if (!spending.mayAsk || !canAsk(cli)) {
    if (spending.wayOut === null) return true
    if (credits <= confirmAbove) {
      throw new RefusedError(`${doubts.join(' ')} Not a terminal. Pass --yes to confirm, or ${spending.wayOut}`)
    }
    throw new RefusedError(
      `This may cost ${pluralize(credits, 'credit')}, which is more than TRACKYARD_CONFIRM_ABOVE (${formatNumber(confirmAbove)}), ` +
        `and nobody is here to ask: say --yes, or ${spending.wayOut}`,
    )
  }
  return askYesNo(cli, `Release it and spend up to ${pluralize(credits, 'credit')}?`, spending.signal)
}
