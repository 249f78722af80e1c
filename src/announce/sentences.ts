import { causeInWords, type Pause, type PauseCause } from '../domain/pause-cause.js'
import type { Batch, BatchReport, Store } from '../store/store.js'

/** What the webhook says: one sentence with figures and the next command. */
export function pausedSentence(pause: Pause, due: number): string {
  const wait = due === 1 ? '1 search waits' : `${due} searches wait`
  const detail = pause.detail === '' ? '' : `: ${pause.detail.replace(/\.$/, '')}`
  return `Paused (${causeInWords(pause.cause)})${detail}. ${wait}; see \`trackyard-batch status\`, then \`trackyard-batch resume\`.`
}

/** @param standing causes that stand all the same */
export function resumedSentence(
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

export function completedSentence(report: BatchReport): string {
  const { batch, items, tagged, noMatch, dead, invalid, withheld } = report
  const parts = [`${tagged} tagged`, `${noMatch} without match`]
  if (dead > 0) parts.push(`${dead} dead`)
  if (invalid > 0) parts.push(`${invalid} invalid`)
  if (withheld > 0) parts.push(`${withheld} withheld`)
  return `Batch ${batch.id} (${batch.name}) is done: ${items === 1 ? '1 row' : `${items} rows`}, ${parts.join(', ')}; \`trackyard-batch export ${batch.id}\`.`
}

/** What `--first` or `--max-credits` let go has been searched, and the rest waits for a person. */
export function throughSentence(report: BatchReport): string {
  const { batch, items, tagged, noMatch, dead, waiting, withheld } = report
  const isFirst = batch.maxCredits === null || batch.charged < batch.maxCredits
  const cap = isFirst ? `--first ${batch.first}` : `--max-credits ${batch.maxCredits}`
  const parts = [`${tagged} of ${items === 1 ? '1 row' : `${items} rows`} tagged`, `${noMatch} without match`]
  if (dead > 0) parts.push(`${dead} dead`)
  if (waiting > 0) parts.push(`${waiting} waiting for other batches`)
  parts.push(`${withheld} withheld`, batch.charged === 1 ? '1 credit used' : `${batch.charged} credits used`)
  const release = `trackyard-batch release ${batch.id}${isFirst ? '' : ' --max-credits N'}`
  return `Batch ${batch.id} (${batch.name}): what ${cap} let go is through: ${parts.join(', ')}; \`trackyard-batch export ${batch.id}\` to look, \`${release}\` to go on.`
}

/** What has come to an end since the last look, each announced once. */
export async function endings(store: Pick<Store, 'batches' | 'reports'>, now: number): Promise<readonly string[]> {
  const completed = await store.batches.takeCompleted(now)
  const through = await store.batches.takeThrough(now)
  return [
    ...(await sentencesOf(store, completed, completedSentence)),
    ...(await sentencesOf(store, through, throughSentence)),
  ]
}

async function sentencesOf(
  store: Pick<Store, 'reports'>,
  batches: readonly Batch[],
  sentence: (report: BatchReport) => string,
): Promise<readonly string[]> {
  const reports = await Promise.all(batches.map((batch) => store.reports.batches({ batchId: batch.id, limit: 1 })))
  return reports.flat().map(sentence)
}
