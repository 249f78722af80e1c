import type { BatchStatus as ReportedBatch, StatusReport } from '../batches/status-report.js'
import { exportedRow } from '../catalog/export/export-batch.js'
import { parseForScript } from '../catalog/json/exact-json.js'
import { parseTracks } from '../domain/answer.js'
import { pauseSummary } from '../domain/pause.js'
import type { DeadLetterEntry, ExportRow, RowReport, SearchReport, Account as StoredAccount } from '../store/store.js'
import type {
  Account,
  BatchStatus,
  DeadLetter,
  FoundRow,
  Plan,
  QueueStatus,
  RowResult,
  ShownRow,
  ShownSearch,
  Status,
} from './batch-client.js'
import type { BatchPlan } from './submit.js'

/** What the program knows, as a script gets it: camelCase names, dates, values instead of JSON texts. */

export function planOf(plan: BatchPlan): Plan {
  const { estimate, pause, rateLimitedUntil } = plan
  const stops = [
    ...(pause === null ? [] : [pauseSummary(pause, new Date(pause.since).toISOString())]),
    ...(rateLimitedUntil === null
      ? []
      : [`Rate limited by the API until ${new Date(rateLimitedUntil).toISOString()}.`]),
  ]
  return {
    name: plan.name,
    rows: plan.rows,
    accepted: plan.accepted,
    invalid: plan.invalid,
    invalidReasons: plan.invalidReasons,
    searches: plan.searches,
    new: plan.creditsNeeded,
    alreadyQueued: plan.alreadyQueued,
    alreadyAnswered: plan.alreadyAnswered,
    alreadyDead: plan.alreadyDead,
    creditsNeeded: estimate.creditsNeeded,
    creditsRemaining: estimate.creditsRemaining,
    creditsMissing: estimate.creditsMissing,
    callsPerMinute: estimate.callsPerMinute,
    finishAt: new Date(estimate.finishAt),
    meetsDeadline: plan.meetsDeadline,
    continues: plan.continues?.changes ?? null,
    warnings: [...plan.doubts, ...plan.warnings, ...stops],
    examples: plan.examples,
  }
}

export function statusOf({ queue, credits, calls_per_minute, finish_at, batches }: StatusReport): Status {
  return {
    queue: queueStatusOf(queue),
    credits: { remaining: credits.remaining, spent: credits.spent, unknownOutcomes: credits.unknown_outcomes },
    callsPerMinute: calls_per_minute,
    finishAt: dateOrNull(finish_at),
    batches: batches.map(batchStatusOf),
  }
}

export function queueStatusOf(queue: StatusReport['queue']): QueueStatus {
  const { state, reason, until, causes, waiting, active, delayed, workers } = queue
  return {
    ...{ state, reason, until: dateOrNull(until), causes, waiting, active, delayed },
    deadLetters: queue.dead_letters,
    workers,
  }
}

export function batchStatusOf(batch: ReportedBatch): BatchStatus {
  const { name, state, rows, tagged, dead, invalid, withheld, waiting, cancelled } = batch
  return {
    ...{ id: batch.batch, name, state, rows, tagged, noMatch: batch.no_match },
    ...{ dead, invalid, withheld, waiting, cancelled, rowsWithoutAnswer: dead + invalid + cancelled },
    createdAt: new Date(batch.created_at),
    completedAt: dateOrNull(batch.completed_at),
    notBefore: dateOrNull(batch.not_before),
    deadline: dateOrNull(batch.deadline),
    meetsDeadline: batch.meets_deadline,
  }
}

/** @param rowText see `rowTexts` */
export function resultOf(stored: ExportRow, rowText: (row: string) => string): RowResult {
  const { position, key, status, tagging, error, row } = exportedRow(stored)
  const tracks = tagging === null || stored.answer === null ? [] : (parseTracks(stored.answer) ?? [])
  const tags = tagging?.tags ?? null
  return { position, id: key, status, tags, tracks, error, row: parseForScript(rowText(row)) }
}

export function shownRowOf(found: RowReport, rowText: (row: string) => string): ShownRow {
  const { batch, position, key, status, problem, row, search } = found
  return {
    kind: 'row',
    batch: batch.id,
    position,
    id: key,
    status,
    error: problem ?? search?.death?.error ?? null,
    row: parseForScript(rowText(row)),
    search: search === null ? null : shownSearchOf(search),
  }
}

export function shownSearchOf(found: SearchReport): ShownSearch {
  const { ref, request, state, death, calls, answer, items } = found
  return {
    kind: 'search',
    search: ref.generation === 1 ? ref.fingerprint : `${ref.fingerprint}-${ref.generation}`,
    request,
    state,
    death: death === null ? null : { reason: death.reason, error: death.error, remedy: death.remedy },
    calls: calls.map(({ sentAt, finishedAt, outcome, status, requestId }) => ({
      sentAt: new Date(sentAt),
      finishedAt: dateOrNull(finishedAt),
      ...{ outcome, status, requestId },
    })),
    tracks: answer === null ? null : parseTracks(answer),
    rows: items.map(foundRowOf),
  }
}

export function deadLetterOf({ letter, rows }: DeadLetterEntry): DeadLetter {
  const { request_id: requestId, died_at: diedAt, maybe_paid: maybePaid, items, ...same } = letter
  return { ...same, requestId, maybePaid, diedAt: new Date(diedAt), rows: items, foundIn: rows.map(foundRowOf) }
}

function foundRowOf({ batchId, position, key }: DeadLetterEntry['rows'][number]): FoundRow {
  return { batch: batchId, position, id: key }
}

export function accountOf(account: StoredAccount, staleReason: string | null): Account {
  return { ...account, heardAt: dateOrNull(account.heardAt), staleReason }
}

function dateOrNull(at: number | string | null): Date | null {
  return at === null ? null : new Date(at)
}
