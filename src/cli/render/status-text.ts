import type { BatchStatus, StatusReport } from '../../batches/status-report.js'
import {
  creditsLeft,
  figureOr,
  formatClockTime,
  formatCost,
  formatDateTime,
  formatDuration,
  formatNumber,
  formatRowCounts,
  formatTable,
  formatTime,
  formatTimeAndWait,
  pluralize,
  truncate,
} from '../../domain/format.js'
import { LATE_NOTIFICATION_MS } from '../../domain/notification.js'
import type { BatchReport, UnknownSearches } from '../../store/store.js'
import type { Paint } from '../lib/cli.js'

export interface StatusView {
  readonly report: StatusReport
  /** Of all due searches; of one batch, if only that was asked for. Null: not known. */
  readonly finishAt: string | null
  /** The calls of unknown outcome that nobody has looked at; null: none. */
  readonly unknown: UnknownSearches | null
  /** Batches that are not in the report. */
  readonly moreBatches: number
  readonly now: number
}

/** The status message first; then credits, rate, finish time and the batches. */
export function renderStatus({ report, finishAt, unknown, moreBatches, now }: StatusView, paint: Paint): string {
  const { queue, credits, calls_per_minute } = report
  const facts: [string, string][] = [
    [
      'queue',
      `${formatNumber(queue.waiting)} due (${formatNumber(queue.active)} in flight, ${formatNumber(queue.delayed)} delayed)`,
    ],
    ['workers', formatNumber(queue.workers)],
    [
      'credits',
      `${credits.remaining === null ? 'balance not known yet' : `${formatNumber(credits.remaining)} left`}, ${formatNumber(credits.spent)} spent${unknownOutcomes(credits.unknown_unseen)}`,
    ],
    [
      'rate',
      `${pluralize(calls_per_minute.last, 'call')} in the last minute, limit ${figureOr(calls_per_minute.limit, 'not known yet')}`,
    ],
  ]
  if (finishAt !== null) facts.push(['finish', formatTimeAndWait(Date.parse(finishAt), now)])
  if (queue.dead_letters > 0) {
    facts.push(['dead letters', `${formatNumber(queue.dead_letters)} (see \`trackyard-batch dead-letters\`)`])
  }
  const notifications = lateNotifications(report, now)
  if (notifications !== null) facts.push(['notifications', notifications])
  return [
    paintedMessage(report, paint),
    '',
    formatTable(facts),
    ...(unknown === null ? [] : unknownLines(unknown, now, paint)),
    '',
    batchTable(report.batches),
    ...(moreBatches > 0
      ? [
          `… and ${pluralize(moreBatches, 'more batch', 'more batches')}: \`trackyard-batch status BATCH\`, or the board's /batches`,
        ]
      : []),
    ...report.batches.flatMap((batch) => timeLines(batch, now, paint)),
  ].join('\n')
}

/** Null: none, or the webhook may still accept them at once. */
function lateNotifications({ queue, notifications }: StatusReport, now: number): string | null {
  const { pending, since, senders } = notifications
  const at = since === null ? now : Date.parse(since)
  if (now - at < LATE_NOTIFICATION_MS) return null
  const waiting = `${formatNumber(pending)} ${pending === 1 ? 'waits' : 'wait'} since ${formatTime(at, now)}`
  if (senders > 0) return `${waiting}; the webhook does not accept them (see the worker's log)`
  return queue.state === 'unknown' ? waiting : `${waiting}; no worker with TRACKYARD_WEBHOOK_URL is running`
}

function unknownLines({ count, searches }: UnknownSearches, now: number, paint: Paint): string[] {
  const lines = searches.map(({ search, query, calls, lastAt }) => {
    const at = `${calls === 1 ? 'at' : 'the last at'} ${formatClockTime(lastAt, now)}`
    return `  unknown outcome: ${search.slice(0, 12)}  ${pluralize(calls, 'call')}, ${at}  ${paint.dim(truncate(query, 60))}`
  })
  const more = count - searches.length
  if (more > 0)
    lines.push(`  … and ${pluralize(more, 'more search', 'more searches')}: \`trackyard-batch status --unknown\``)
  return [...lines, '  Once you have checked them, hide them: `trackyard-batch status --unknown --seen`']
}

/** One line, for --watch without a terminal. */
export function statusLine({ queue, credits }: StatusReport): string {
  return `${queue.reason} (${creditsLeft(credits.remaining)})`
}

function paintedMessage({ queue }: StatusReport, paint: Paint): string {
  switch (queue.state) {
    case 'paused':
    case 'unknown':
    case 'write_failure':
      return paint.bad(queue.reason)
    case 'no_workers':
      return queue.waiting > 0 ? paint.bad(queue.reason) : queue.reason
    case 'rate_limited':
      return paint.warn(queue.reason)
    case 'running':
      return paint.good(queue.reason)
    case 'idle':
      return queue.reason
    default:
      return queue.state satisfies never
  }
}

function unknownOutcomes(count: number): string {
  if (count === 0) return ''
  return count === 1
    ? ', 1 call of unknown outcome (it may have cost a credit)'
    : `, ${formatNumber(count)} calls of unknown outcome (each may have cost a credit)`
}

/** When a batch begins, and whether it will be done in time. Nothing of one that is over. */
function timeLines(
  { batch, name, state, not_before, deadline, meets_deadline }: BatchStatus,
  now: number,
  paint: Paint,
): string[] {
  const batchName = `Batch ${batch} (${truncate(name, 32)})`
  const lines: string[] = []
  if (not_before !== null)
    lines.push(`${batchName} will be released at ${formatTimeAndWait(Date.parse(not_before), now)}.`)
  if (deadline === null || state === 'done' || state === 'cancelled') return lines
  const at = Date.parse(deadline)
  const isMissed = at <= now
  if (isMissed) lines.push(paint.bad(`${batchName} has missed its deadline (${formatTime(at, now)}).`))
  else if (meets_deadline === false)
    lines.push(paint.warn(`${batchName} will miss its deadline: ${formatTimeAndWait(at, now)}.`))
  else if (meets_deadline === true) lines.push(`${batchName} will meet its deadline: ${formatTimeAndWait(at, now)}.`)
  else lines.push(`${batchName} has a deadline: ${formatTimeAndWait(at, now)}.`)
  return lines
}

/** Columns with only zeros are left out, except the two that users always look for. */
function batchTable(batches: readonly BatchStatus[]): string {
  if (batches.length === 0) return 'No batches yet: trackyard-batch submit catalog.csv --query "{title} music"'
  const counts = (['tagged', 'no_match', 'waiting', 'withheld', 'dead', 'invalid', 'cancelled'] as const).filter(
    (name) => name === 'tagged' || name === 'waiting' || batches.some((batch) => batch[name] > 0),
  )
  const head = [
    'batch',
    'name',
    'state',
    'rows',
    ...counts.map((name) => name.replace('_', ' ')),
    'charged',
    'created',
    'took',
  ]
  const rows = batches.map((batch) => [
    String(batch.batch),
    truncate(batch.name, 32),
    batch.not_before === null ? batch.state : 'scheduled',
    formatNumber(batch.rows),
    ...counts.map((name) => formatNumber(batch[name])),
    formatNumber(batch.credits_spent),
    formatDateTime(Date.parse(batch.created_at)).slice(0, 16),
    tookOf(batch),
  ])
  return formatTable([head, ...rows], [0, ...Array.from({ length: counts.length + 2 }, (_, index) => index + 3)])
}

function tookOf({ created_at, completed_at }: BatchStatus): string {
  return completed_at === null ? '–' : formatDuration(Date.parse(completed_at) - Date.parse(created_at))
}

/** "Batch 12 (night): 9,800 of 10,000 rows tagged, 150 without a match, 3 dead, 9,950 credits used, in 6 h." */
export function batchSentence(report: BatchReport): string {
  const { batch } = report
  const counts = formatRowCounts(batch.items, { ...batch, ...report })
  return `Batch ${batch.id} (${truncate(batch.name, 60)}): ${counts}, ${formatCost(batch)}.`
}
