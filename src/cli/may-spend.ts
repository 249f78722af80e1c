import { RefusedError } from '../domain/errors.js'
import { askYesNo, canAsk } from './ask.js'
import type { Cli } from './cli.js'
import { counted, figure } from './render/words.js'

/** The question before credits are spent: only above the threshold, and not where --yes was said. */
export interface Spending {
  readonly credits: number
  /** TRACKYARD_CONFIRM_ABOVE. */
  readonly confirmAbove: number
  readonly yes: boolean
  /** False where standard input is the catalog. */
  readonly mayAsk: boolean
  /** What to do where nobody can be asked, and what has become of it: "cap it with …. Nothing was changed." */
  readonly wayOut: string
  readonly signal: AbortSignal
}

/** @throws RefusedError where it costs more than the threshold and nobody is there to ask */
export async function maySpend(cli: Cli, spending: Spending): Promise<boolean> {
  const { credits, confirmAbove } = spending
  if (credits <= confirmAbove || spending.yes) return true
  if (!spending.mayAsk || !canAsk(cli)) {
    throw new RefusedError(
      `This may cost ${counted(credits, 'credit')}, which is more than TRACKYARD_CONFIRM_ABOVE (${figure(confirmAbove)}), ` +
        `and nobody is here to ask: say --yes, or ${spending.wayOut}`,
    )
  }
  return askYesNo(cli, `Release it and spend up to ${counted(credits, 'credit')}?`, spending.signal)
}
