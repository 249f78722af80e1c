import type { Estimate } from '../../batches/estimate.js'
import { formatNumber, formatTimeAndWait, pluralize } from './words.js'

/** What a release lets go, in one line, said before it happens. */
export function renderRelease(price: { readonly credits: number; readonly estimate: Estimate }, now: number): string {
  const { creditsLeft, creditsMissing, finishAt } = price.estimate
  const left = creditsLeft === null ? 'how many are left is unknown' : `${formatNumber(creditsLeft)} left as last known`
  const short =
    creditsMissing === null || creditsMissing === 0
      ? ''
      : ` ${pluralize(creditsMissing, 'credit')} short: the queue pauses when they are gone.`
  return (
    `This lets go ${pluralize(price.credits, 'search')}, for at most ${pluralize(price.credits, 'credit')} (${left}); ` +
    `all that is due is done by ${formatTimeAndWait(finishAt, now)}, if it starts now.${short}`
  )
}
