import type { Estimate } from '../../batches/estimate.js'
import { formatNumber, formatTimeAndWait, pluralize } from './words.js'

/** What a release will make due, in one line, printed before it happens. */
export function renderRelease(price: { readonly credits: number; readonly estimate: Estimate }, now: number): string {
  const { creditsLeft, creditsMissing, finishAt } = price.estimate
  const left = creditsLeft === null ? 'balance unknown' : `${formatNumber(creditsLeft)} left, last known`
  const short =
    creditsMissing === null || creditsMissing === 0
      ? ''
      : ` ${pluralize(creditsMissing, 'credit')} short: the queue pauses when credits run out.`
  return (
    `This releases ${pluralize(price.credits, 'search')}, for at most ${pluralize(price.credits, 'credit')} (${left}); ` +
    `all due searches finish at ${formatTimeAndWait(finishAt, now)}, if work starts now.${short}`
  )
}
