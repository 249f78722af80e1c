import { causeInWords, type Pause, type PauseCause } from '../domain/pause-cause.js'
import type { CountedBatch, Store } from '../store/store.js'

/**
 * What the webhook says: one sentence with figures and the next command. A worker makes it, so the figures are those that the
 * record counts along: what they do not tell, `status` does.
 * @param due where several batches want the same searches, each counts them
 */
export function pausedMessage(pause: Pause, due: { readonly searches: number; readonly batches: number }): string {
  const atMost = due.batches > 1 ? 'Up to ' : ''
  const wait = due.searches === 1 ? '1 search waits' : `${due.searches} searches wait`
  const detail = pause.detail === '' ? '' : `: ${pause.detail.replace(/\.$/, '')}`
  return `Paused (${causeInWords(pause.cause)})${detail}. ${atMost}${wait}; ${nextStep(pause.cause)}`
}

/** What ends it; `status` says more, such as until when the balance is watched. */
function nextStep(cause: PauseCause): string {
  switch (cause) {
    case 'operator':
      return '`trackyard-batch resume` goes on.'
    case 'no_credits':
      return 'top up; `trackyard-batch status` says how it goes on.'
    case 'reserve':
      return 'top up, or lower TRACKYARD_CREDIT_RESERVE; `trackyard-batch status` says how it goes on.'
    case 'unauthorized':
      return 'set a working key, restart the worker, then `trackyard-batch resume`.'
    case 'failing':
      return 'see `trackyard-batch dead-letters`, then `trackyard-batch resume`.'
    case 'outage':
      return 'it is tried again by itself; see `trackyard-batch status`.'
    default:
      return cause satisfies never
  }
}

/** @param standing causes that stand all the same */
export function resumedMessage(
  lifted: readonly PauseCause[],
  standing: readonly PauseCause[],
  creditsLeft: number | null,
): string {
  const credits = creditsLeft === null ? '' : `, ${creditsLeft} credits left`
  const over = lifted.map(causeInWords).join(', ')
  if (standing.length > 0) {
    return `No longer paused (${over})${credits}, but still paused (${standing.map(causeInWords).join(', ')}): \`trackyard-batch resume\`.`
  }
  return `Resumed (was paused: ${over})${credits}; follow it with \`trackyard-batch status --watch\`.`
}

export function completedMessage(report: CountedBatch): string {
  const { batch, items, tagged, noMatch, dead, invalid } = report
  const parts = [`${tagged} tagged`, `${noMatch} without match`]
  if (dead > 0) parts.push(`${dead} dead`)
  if (invalid > 0) parts.push(`${invalid} invalid`)
  return `Batch ${batch.id} (${batch.name}) is done: ${items === 1 ? '1 row' : `${items} rows`}, ${parts.join(', ')}; \`trackyard-batch export ${batch.id}\`.`
}

/** What `--first` or `--max-credits` let go has been searched, and the rest waits for a person. */
export function firstDoneMessage(report: CountedBatch): string {
  const { batch, items, tagged, noMatch, dead, unfinished } = report
  const isFirst = batch.maxCredits === null || batch.charged < batch.maxCredits
  const cap = isFirst ? `--first ${batch.first}` : `--max-credits ${batch.maxCredits}`
  const parts = [`${tagged} of ${items === 1 ? '1 row' : `${items} rows`} tagged`, `${noMatch} without match`]
  if (dead > 0) parts.push(`${dead} dead`)
  parts.push(`${unfinished} still to do`, batch.charged === 1 ? '1 credit used' : `${batch.charged} credits used`)
  const release = `trackyard-batch release ${batch.id}${isFirst ? '' : ' --max-credits N'}`
  return `Batch ${batch.id} (${batch.name}): what ${cap} let go is through: ${parts.join(', ')}; \`trackyard-batch export ${batch.id}\` to look, \`${release}\` to go on.`
}

/**
 * What has come to an end since the last look, each announced once.
 * @param keeps also kept for the webhook, in the transaction that marks it announced
 */
export async function endings(store: Pick<Store, 'batches'>, now: number, keeps: boolean): Promise<readonly string[]> {
  const completed = await store.batches.takeCompleted(now, keeps ? completedMessage : undefined)
  const through = await store.batches.takeThrough(now, keeps ? firstDoneMessage : undefined)
  return [...completed.map(completedMessage), ...through.map(firstDoneMessage)]
}
