import type { Estimate } from '../../submit/estimate.js'
import { counted, figure, momentAndWait } from './words.js'

/** What a release lets go, in one line, said before it happens. */
export function renderRelease(price: { readonly credits: number; readonly estimate: Estimate }, now: number): string {
  const { creditsLeft, creditsMissing, finishAt } = price.estimate
  const left = creditsLeft === null ? 'how many are left is unknown' : `${figure(creditsLeft)} left as last known`
  const short =
    creditsMissing === null || creditsMissing === 0
      ? ''
      : ` ${counted(creditsMissing, 'credit')} short: the queue pauses when they are gone.`
  return (
    `This lets go ${counted(price.credits, 'search')}, for at most ${counted(price.credits, 'credit')} (${left}); ` +
    `all that is due is done by ${momentAndWait(finishAt, now)}, if it starts now.${short}`
  )
}
