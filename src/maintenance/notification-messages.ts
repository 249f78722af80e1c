import { spendableCredits } from '../domain/credits.js'
import {
  formatCost,
  formatDateTime,
  formatDuration,
  formatNumber,
  formatRowCounts,
  isoOrNull,
  pluralize,
} from '../domain/format.js'
import type { Notification } from '../domain/notification.js'
import {
  isForCredits,
  type Pause,
  type PauseCause,
  pauseNextStep,
  pauseSummary,
  resumedSummary,
} from '../domain/pause.js'
import { releaseCommand, type StoredBatch, unfinishedRows } from '../store/batch-row.js'
import { rateLimitSummary } from '../store/pauses.js'
import type { Milestone } from '../store/store.js'

/**
 * Notifications: what happened, figures, the next command. A worker writes them, so they use only figures that are cheap:
 * the counters of the store. `status` shows more.
 */

/**
 * @param due an upper bound: a search that several batches want counts for each of them
 * @param missing credits for all due searches; null: not known
 */
export function pausedNotification(
  pause: Pause,
  due: { readonly searches: number; readonly batches: number },
  missing: number | null,
): Notification {
  const creditsMissing = isForCredits(pause.cause) ? missing : null
  const short =
    creditsMissing === null || creditsMissing === 0
      ? ''
      : `, ${pluralize(creditsMissing, 'credit')} ${creditsMissing === 1 ? 'is' : 'are'} missing`
  const atMost = due.batches > 1 ? 'Up to ' : ''
  const wait = due.searches === 1 ? '1 search waits' : `${pluralize(due.searches, 'search')} wait`
  const since = formatDateTime(pause.since)
  // `status` shows more, such as when auto-resume ends.
  const next = pauseNextStep(pause.cause, { follows: 'unknown' })
  return {
    event: 'queue.paused',
    text: `${pauseSummary(pause, since)} ${atMost}${wait}${short}. ${next}`,
    batch: null,
    figures: {
      cause: pause.cause,
      since: iso(pause.since),
      detail: pause.detail,
      searchesDueAtMost: due.searches,
      creditsMissing,
    },
  }
}

/** @param stillPaused the causes of the pauses that remain */
export function resumedNotification(
  lifted: readonly PauseCause[],
  stillPaused: readonly PauseCause[],
  creditsLeft: number | null,
): Notification {
  const summary = resumedSummary(lifted, stillPaused, {
    ended: creditsLeft === null ? null : `${pluralize(creditsLeft, 'credit')} left`,
    remaining: 'see `trackyard-batch status`',
  })
  const next = stillPaused.length > 0 ? '' : ' Follow with `trackyard-batch status --watch`.'
  return {
    event: 'queue.resumed',
    text: summary + next,
    batch: null,
    figures: { causes: lifted, stillPaused, creditsRemaining: creditsLeft },
  }
}

/** Of one that lasts long. */
export function rateLimitStartedNotification(until: number, detail: string | null): Notification {
  return {
    event: 'rate_limit.started',
    text: `${rateLimitSummary(until, detail)} Calls then resume by themselves.`,
    batch: null,
    figures: { until: iso(until), detail },
  }
}

export function rateLimitEndedNotification(): Notification {
  return { event: 'rate_limit.ended', text: 'The rate limit by the API is over.', batch: null, figures: {} }
}

/** @param due credits that the searches of released batches need, each search once */
export function creditsShortNotification(credits: {
  readonly left: number
  readonly reserve: number
  readonly due: number
  /** Null: not known, since no calls are made. */
  readonly endAt: number | null
}): Notification {
  const { left, reserve, due, endAt } = credits
  const missing = due - spendableCredits(left, reserve)
  const usable = reserve > 0 ? ` (${reserve} of them in reserve)` : ''
  const end = endAt === null ? '' : ` They last until about ${formatDateTime(endAt)}.`
  return {
    event: 'credits.short',
    text: `Credits will not suffice: ${pluralize(due, 'search')} due, ${pluralize(left, 'credit')} left${usable}.${end} Top up ${missing} or more, or the queue will pause.`,
    batch: null,
    figures: {
      searchesDue: due,
      creditsRemaining: left,
      creditReserve: reserve,
      creditsMissing: missing,
      creditsEndAt: endAt === null ? null : iso(endAt),
    },
  }
}

/** @param running how many workers run now, also one that took its place */
export function workerLostNotification(worker: string, running: number): Notification {
  const next =
    running === 0
      ? 'No worker runs now: look at its log, then start another one.'
      : `${pluralize(running, 'worker')} ${running === 1 ? 'runs' : 'run'} now and ${running === 1 ? 'takes' : 'take'} its searches. Look at its log.`
  return {
    event: 'worker.lost',
    text: `Worker ${worker} was lost: it sends no heartbeat and did not stop by itself. ${next}`,
    batch: null,
    figures: { worker, workersRunning: running },
  }
}

export function batchReleasedNotification(milestone: Milestone): Notification {
  const { batch } = milestone
  const cap = batch.maxCredits === null ? '' : ` for at most ${pluralize(batch.maxCredits, 'credit')}`
  const first = batch.first === null ? '' : `, the first ${pluralize(batch.first, 'search')} only`
  const bad = batch.invalid > 0 ? `, ${formatNumber(batch.invalid)} of them invalid` : ''
  const scheduled = batch.notBefore === null ? '' : `, scheduled for ${formatDateTime(batch.notBefore)}`
  const deadline = batch.deadline === null ? '' : `, deadline ${formatDateTime(batch.deadline)}`
  return {
    event: 'batch.released',
    text: `${nameOf(batch)} is released${cap}${first}: ${pluralize(batch.items, 'row')}${bad}${scheduled}${deadline}. Follow with \`trackyard-batch status --watch\`.`,
    ...about(milestone),
  }
}

export function batchDoneNotification(milestone: Milestone): Notification {
  const { batch } = milestone
  const lateMs = latenessOf(batch)
  const late =
    lateMs === null ? '' : `, ${formatDuration(lateMs)} after its deadline (${formatDateTime(batch.deadline ?? 0)})`
  return {
    event: 'batch.done',
    text: `${nameOf(batch)} is done${late}: ${formatRowCounts(batch.items, batch)}, ${formatCost(batch)}. Run \`trackyard-batch export ${batch.id}\`.${lookAtDead(batch)}`,
    ...about(milestone),
  }
}

export function batchCancelledNotification(milestone: Milestone): Notification {
  const { batch, continuedBy } = milestone
  const why = continuedBy === null ? '' : `, and batch ${continuedBy} continues it`
  const rows = formatRowCounts(batch.items, { ...batch, cancelled: unfinishedRows(batch) })
  return {
    event: 'batch.cancelled',
    text: `${nameOf(batch)} was cancelled${why}: ${rows}, ${pluralize(batch.charged, 'credit')} used. \`trackyard-batch export ${batch.id}\` writes what is done.`,
    ...about(milestone, { continuedBy }),
  }
}

/** @param forecastAt when an unfinished batch will be done; null: not known */
export function batchLateNotification(milestone: Milestone, forecastAt: number | null, now: number): Notification {
  const { batch } = milestone
  const { id, deadline, completedAt } = batch
  const misses = deadline !== null && deadline < (completedAt ?? now) ? 'has missed' : 'will miss'
  const forecast = forecastAt === null ? '' : ` It will be done at about ${formatDateTime(forecastAt)}.`
  const end = completedAt === null ? forecast : ` It was done at ${formatDateTime(completedAt)}.`
  const next = completedAt === null ? ` See \`trackyard-batch status ${id}\`.` : ''
  return {
    event: 'batch.late',
    text: `${nameOf(batch)} ${misses} its deadline, ${formatDateTime(deadline ?? 0)}.${end}${next} \`trackyard-batch export ${id}\` writes what is done so far.`,
    ...about(milestone, { finishAt: isoOrNull(completedAt ?? forecastAt) }),
  }
}

/** The searches that `--first` or `--max-credits` allowed are finished; the rest waits for `release`. */
export function budgetUsedNotification(milestone: Milestone): Notification {
  const { batch } = milestone
  const isFirst = batch.maxCredits === null || batch.charged < batch.maxCredits
  const what = isFirst
    ? `finished its first ${batch.first === 1 ? 'search' : pluralize(batch.first ?? 0, 'search')}`
    : `used up --max-credits ${batch.maxCredits}`
  const parts = [
    formatRowCounts(batch.items, batch),
    `${formatNumber(unfinishedRows(batch))} unfinished`,
    `${pluralize(batch.charged, 'credit')} used`,
  ]
  return {
    event: 'batch.budget_used',
    text: `${nameOf(batch)} has ${what}: ${parts.join(', ')}. Look at it with \`trackyard-batch export ${batch.id}\`; continue with \`${releaseCommand(batch)}\`.`,
    ...about(milestone),
  }
}

export function manyDeadNotification(milestone: Milestone): Notification {
  const { batch } = milestone
  const { tagged, noMatch, dead } = batch
  const finished = tagged + noMatch + dead
  const next = batch.completedAt === null ? ' `trackyard-batch pause` stops all calls.' : ''
  return {
    event: 'batch.dead_letters',
    text: `${nameOf(batch)} has many dead letters: ${formatNumber(dead)} of ${pluralize(finished, 'finished row')} (${Math.round((dead / finished) * 100)} %).${lookAtDead(batch)}${next}`,
    ...about(milestone),
  }
}

function about({ batch }: Milestone, more: Notification['figures'] = {}) {
  const isCancelled = batch.state === 'cancelled'
  const unfinished = unfinishedRows(batch)
  return {
    batch: { id: batch.id, name: batch.name },
    figures: {
      rows: batch.items,
      tagged: batch.tagged,
      noMatch: batch.noMatch,
      dead: batch.dead,
      invalid: batch.invalid,
      unfinished: isCancelled ? 0 : unfinished,
      cancelled: isCancelled ? unfinished : 0,
      creditsUsed: batch.charged,
      createdAt: iso(batch.createdAt),
      completedAt: isoOrNull(batch.completedAt),
      deadline: isoOrNull(batch.deadline),
      lateMs: latenessOf(batch),
      ...more,
    },
  }
}

/** How long after its deadline it was done, ms. Null: it was not. */
function latenessOf({ state, completedAt, deadline }: StoredBatch): number | null {
  if (state === 'cancelled' || completedAt === null || deadline === null || completedAt <= deadline) return null
  return completedAt - deadline
}

function nameOf({ id, name }: StoredBatch): string {
  return `Batch ${id} (${name})`
}

function lookAtDead({ id, dead }: StoredBatch): string {
  return dead > 0 ? ` See \`trackyard-batch dead-letters list --batch ${id}\`.` : ''
}

function iso(at: number): string {
  return new Date(at).toISOString()
}
