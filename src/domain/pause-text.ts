import type { Pause } from './pause-cause.js'

/**
 * The first sentence about a pause: cause, since when, detail. The status message and the notification share it.
 * @param since the moment as text, since each reader shows it differently
 */
export function pauseSummary(pause: Pause, since: string): string {
  const detail = pause.detail.replace(/\.$/, '')
  switch (pause.cause) {
    case 'operator':
      return `Paused by hand since ${since}${detail === '' ? '' : ` (${detail})`}.`
    case 'no_credits':
      return `Paused: no credits left since ${since} (the API says "${detail}").`
    case 'reserve':
      return `Paused: at the credit reserve since ${since} (${detail}).`
    case 'unauthorized':
      return `Paused: API key refused since ${since} (${detail}).`
    case 'failing':
      return `Paused: too many searches refused in a row since ${since} (${detail}).`
    case 'outage':
      return `Paused: the API has been failing since ${since} (${detail}).`
    default:
      return pause.cause satisfies never
  }
}

/** What ends a pause that is neither for credits nor for the reserve. */
export function pauseNextStep(cause: Exclude<Pause['cause'], 'no_credits' | 'reserve'>): string {
  switch (cause) {
    case 'operator':
      return 'Run `trackyard-batch resume` to continue.'
    case 'unauthorized':
      return 'Set a working key, restart the worker, then run `trackyard-batch resume`.'
    case 'failing':
      return 'See `trackyard-batch dead-letters`, then run `trackyard-batch resume`.'
    case 'outage':
      return 'Workers retry at growing intervals; to retry now, run `trackyard-batch resume`.'
    default:
      return cause satisfies never
  }
}

/** What a person can do when credits run out; what follows depends on TRACKYARD_AUTO_RESUME_HOURS. */
export function creditNextStep(cause: 'no_credits' | 'reserve'): string {
  return cause === 'no_credits' ? 'Top up' : 'Top up, or lower TRACKYARD_CREDIT_RESERVE and restart the worker'
}
