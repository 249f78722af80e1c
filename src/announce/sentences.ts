import type { Pause } from '../domain/pause-cause.js'
import type { Account, Batch, BatchReport, Store } from '../store/store.js'

/** What the webhook says: one sentence with figures and the next command. */
export function pausedSentence(pause: Pause, due: number): string {
  return `Paused (${pause.cause}): ${pause.detail}. ${due} searches wait; see \`trackyard-batch status\`.`
}

export function resumedSentence(
  resumed: { readonly lifted: readonly string[]; readonly standing: readonly string[] },
  account: Account | null,
): string {
  const balance = account?.creditsRemaining
  const credits = balance === null || balance === undefined ? '' : `, ${balance} credits left`
  if (resumed.standing.length > 0) {
    return `${resumed.lifted.join(', ')} is over${credits}, but the queue is still paused (${resumed.standing.join(', ')}): \`trackyard-batch resume\`.`
  }
  return `Resumed after ${resumed.lifted.join(', ')}${credits}; follow it with \`trackyard-batch status --watch\`.`
}

export function completedSentence(report: BatchReport): string {
  const { batch, items, tagged, noMatch, dead, invalid, withheld } = report
  const parts = [`${tagged} tagged`, `${noMatch} without match`]
  if (dead > 0) parts.push(`${dead} dead`)
  if (invalid > 0) parts.push(`${invalid} invalid`)
  if (withheld > 0) parts.push(`${withheld} withheld`)
  return `Batch ${batch.id} (${batch.name}) is done: ${items} rows, ${parts.join(', ')}; \`trackyard-batch export ${batch.id}\`.`
}

/** Completed since the last look, each announced once. */
export async function completions(store: Pick<Store, 'batches' | 'reports'>, now: number): Promise<readonly string[]> {
  const done: readonly Batch[] = await store.batches.takeCompleted(now)
  const sentences: string[] = []
  for (const batch of done) {
    const [report] = await store.reports.batches({ batchId: batch.id, limit: 1 })
    if (report !== undefined) sentences.push(completedSentence(report))
  }
  return sentences
}
