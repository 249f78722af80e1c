import {
  causeInWords,
  creditNextStep,
  type Pause,
  type PauseCause,
  pauseNextStep,
  pauseSummary,
} from '../domain/pause.js'
import type { CountedBatch, Store } from '../store/store.js'

/**
 * Notifications: what happened, figures, the next command. A worker writes them, so the figures are those that the store
 * counts along; `status` shows the rest.
 * @param due several batches may want the same search, and each counts it
 */
export function pausedMessage(pause: Pause, due: { readonly searches: number; readonly batches: number }): string {
  const atMost = due.batches > 1 ? 'Up to ' : ''
  const wait = due.searches === 1 ? '1 search waits' : `${due.searches} searches wait`
  const since = new Date(pause.since).toLocaleString('sv-SE')
  return `${pauseSummary(pause, since)} ${atMost}${wait}. ${nextStep(pause.cause)}`
}

/** `status` shows more, such as when auto-resume ends. */
function nextStep(cause: PauseCause): string {
  return cause === 'no_credits' || cause === 'reserve'
    ? `${creditNextStep(cause)}. \`trackyard-batch status\` tells whether calls then resume by themselves.`
    : pauseNextStep(cause)
}

/** @param stillPaused the causes of the pauses that remain */
export function resumedMessage(
  lifted: readonly PauseCause[],
  stillPaused: readonly PauseCause[],
  creditsLeft: number | null,
): string {
  const credits = creditsLeft === null ? '' : `; ${creditsLeft === 1 ? '1 credit' : `${creditsLeft} credits`} left`
  const ended = lifted.map(causeInWords).join(', ')
  if (stillPaused.length > 0) {
    return `Pause ended (${ended})${credits}. Still paused (${stillPaused.map(causeInWords).join(', ')}): see \`trackyard-batch status\`.`
  }
  return `Resumed (was paused: ${ended})${credits}. Follow with \`trackyard-batch status --watch\`.`
}

export function completedMessage(report: CountedBatch): string {
  const { batch, items, tagged, noMatch, dead, invalid } = report
  const parts = [rows(items), `${tagged} tagged`, `${noMatch} without a match`]
  if (dead > 0) parts.push(`${dead} dead`)
  if (invalid > 0) parts.push(`${invalid} invalid`)
  const look = dead > 0 ? ` See \`trackyard-batch dead-letters list --batch ${batch.id}\`.` : ''
  return `Batch ${batch.id} (${batch.name}) is done: ${parts.join(', ')}. Run \`trackyard-batch export ${batch.id}\`.${look}`
}

/** The searches that `--first` or `--max-credits` allowed are finished; the rest waits for `release`. */
export function firstDoneMessage(report: CountedBatch): string {
  const { batch, items, tagged, noMatch, dead, unfinished } = report
  const isFirst = batch.maxCredits === null || batch.charged < batch.maxCredits
  const what = isFirst
    ? `finished its first ${batch.first === 1 ? 'search' : `${batch.first} searches`}`
    : `used up --max-credits ${batch.maxCredits}`
  const parts = [`${tagged} of ${rows(items)} tagged`, `${noMatch} without a match`]
  if (dead > 0) parts.push(`${dead} dead`)
  parts.push(`${unfinished} still to do`, batch.charged === 1 ? '1 credit used' : `${batch.charged} credits used`)
  const release = `trackyard-batch release ${batch.id}${isFirst ? '' : ' --max-credits N'}`
  return `Batch ${batch.id} (${batch.name}) has ${what}: ${parts.join(', ')}. Look at it with \`trackyard-batch export ${batch.id}\`; continue with \`${release}\`.`
}

function rows(count: number): string {
  return count === 1 ? '1 row' : `${count} rows`
}

/**
 * Messages for batches that ended since the last call; each is returned once.
 * @param keeps whether to store the message for the webhook, in the transaction that marks the batch announced
 */
export async function endings(store: Pick<Store, 'batches'>, now: number, keeps: boolean): Promise<readonly string[]> {
  const completed = await store.batches.takeCompleted(now, keeps ? completedMessage : undefined)
  const firstDone = await store.batches.takeThrough(now, keeps ? firstDoneMessage : undefined)
  return [...completed.map(completedMessage), ...firstDone.map(firstDoneMessage)]
}
