import type { Settings } from '../config/settings.js'
import { type HoursInForce, parseActiveHours, type ZonedHours } from '../domain/active-hours.js'
import type { SearchQueue } from '../queue/search-queue.js'
import type { LiveWorker } from '../queue/worker-registry.js'
import type { BatchSchedule } from '../store/schedules.js'
import type { BatchReport, Store } from '../store/store.js'
import { forecast } from './estimate.js'
import { creditsEndMessage, isRateLimitedRepeatedly, statusMessage } from './status-message.js'
import type { BatchStatus, StatusReport, WorkerStatus } from './status-report.js'

/** Reports from store and queue: what is done, what is due, and the state. */
export interface StatusParts {
  readonly store: Pick<Store, 'reports' | 'pauses' | 'account' | 'schedules' | 'timeline'>
  /** Null: Redis is unreachable or not started. The report then comes from the store alone. */
  readonly queue: Pick<SearchQueue, 'searches' | 'throttle' | 'registry'> | null
  /** Why Redis is unreachable, one sentence. Default null: it is not started. */
  readonly silence?: string | null
  readonly now: () => number
  /** `rateLimit`: calls a minute, or `auto` for the account's limit. `autoResumeHours`: how long auto-resume lasts. `creditReserve`: credits that are not spent. */
  readonly settings: Pick<Settings, 'rateLimit' | 'autoResumeHours' | 'creditReserve' | 'activeHours'>
}

const SHOWN_ENTRIES = 20
const HOUR_MS = 60 * 60 * 1000

/** @param which one batch, or the most recent, unfinished first */
export async function status(
  parts: StatusParts,
  which: { readonly batchId?: number; readonly limit: number } = { limit: 20 },
): Promise<StatusReport> {
  const now = parts.now()
  const [batches, totals, pauses, watch, probing, account, hours, overriddenUntil, timeline] = await Promise.all([
    parts.store.reports.batches(which),
    parts.store.reports.totals(now),
    parts.store.pauses.list(),
    parts.store.pauses.watch(),
    parts.store.pauses.probing(),
    parts.store.account.get(),
    parts.store.pauses.activeHours(),
    parts.store.pauses.hoursOverriddenUntil(now),
    parts.store.timeline.list(SHOWN_ENTRIES),
  ])
  const schedules = new Map((await parts.store.schedules.list()).map((schedule) => [schedule.batchId, schedule]))
  const queue = await readQueue(parts.queue)
  const troubles = queue.workers.flatMap(({ trouble }) => trouble ?? [])
  const { rateLimit, autoResumeHours } = parts.settings
  const limit = rateOf(rateLimit === 'auto' ? account.limitPerMinute : rateLimit, queue)
  const explained = statusMessage({
    pauses,
    activeHours: hours,
    hoursOverriddenUntil: overriddenUntil,
    watch,
    autoResumeMs: autoResumeHours * HOUR_MS,
    probing,
    workers: queue.workers.length,
    troubles,
    rateLimitedUntil: queue.rateLimitedUntil ?? (await parts.store.pauses.rateLimitedUntil(now)),
    heldBecause: await parts.store.pauses.holdDetail(now),
    outOfToday: account.remainingToday === 0,
    due: totals.due,
    active: queue.active,
    delayed: queue.delayed,
    nextAttemptAt: queue.delays?.first ?? null,
    silence: parts.silence ?? null,
    limitPerMinute: limit,
    callsLastMinute: totals.callsLastMinute,
    rateLimitedCalls: totals.rateLimitedCalls,
    failedCalls: totals.failedCalls,
    refused: totals.refused,
    creditsRemaining: account.creditsRemaining,
    withheld: batches.reduce((sum, report) => sum + report.withheld, 0),
    now,
  })
  const ahead = forecast({
    // `held` without an end: no worker can write to the store.
    moves: explained.state === 'running' || (explained.until !== null && !isRateLimitedRepeatedly(totals)),
    from: explained.until ?? now,
    due: totals.due,
    lastAttemptAt: queue.delays?.last ?? null,
    perMinute: limit,
    account,
    creditReserve: parts.settings.creditReserve,
    within: { hours: zonedHours(hours) ?? parts.settings.activeHours, overriddenUntil },
  })
  const creditsEnd = ahead.creditsEndAt === null ? [] : [creditsEndMessage(ahead.shortBy, ahead.creditsEndAt, now)]
  return {
    queue: {
      state: explained.state,
      reason: [explained.reason, ...creditsEnd].join(' '),
      until: isoOrNull(explained.until),
      since: isoOrNull(pauses[0]?.since ?? null),
      causes: pauses.map((pause) => pause.cause),
      probing,
      waiting: totals.due,
      active: queue.active,
      delayed: queue.delayed,
      dead_letters: totals.deadLetters,
      workers: queue.workers.length,
      write_failures: troubles.length,
    },
    credits: {
      remaining: account.creditsRemaining,
      spent: totals.spent,
      unknown_outcomes: totals.unknownOutcomes,
      unknown_unseen: totals.unknownUnseen,
      needed: totals.due,
      missing: ahead.shortBy,
      last_until: isoOrNull(ahead.creditsEndAt),
    },
    calls_per_minute: { limit: limit, last: totals.callsLastMinute },
    finish_at: isoOrNull(ahead.finishAt),
    timeline: timeline.map((entry) => ({ ...entry, at: new Date(entry.at).toISOString() })),
    workers: queue.workers.map(workerStatus),
    batches: batches.map((report) => batchStatus(report, schedules.get(report.batch.id), ahead.finishAt)),
  }
}

interface QueueState {
  readonly active: number
  readonly delayed: number
  readonly delays: { readonly first: number; readonly last: number } | null
  readonly workers: readonly LiveWorker[]
  readonly rateLimitedUntil: number | null
  /** Calls a minute, as set in Redis. */
  readonly pace: number | null
}

async function readQueue(queue: StatusParts['queue']): Promise<QueueState> {
  if (queue === null) return { active: 0, delayed: 0, delays: null, workers: [], rateLimitedUntil: null, pace: null }
  const [counts, delays, workers, rateLimitedUntil, pace] = await Promise.all([
    queue.searches.counts(),
    queue.searches.delays(),
    queue.registry.live(),
    queue.throttle.rateLimitedUntil(),
    queue.throttle.rate(),
  ])
  return {
    active: counts.active,
    delayed: counts.delayed,
    delays,
    workers,
    rateLimitedUntil,
    pace: pace?.callsPerMinute ?? null,
  }
}

/** As the workers keep them, which may differ from the settings here. */
function zonedHours(inForce: HoursInForce | null): ZonedHours | null {
  const hours = inForce === null ? null : parseActiveHours(inForce.hours)
  return inForce === null || hours === null ? null : { hours, zone: inForce.zone }
}

/** The limit, or less while workers leave room for other clients of the same key. */
function rateOf(limit: number | null, { pace, workers }: Pick<QueueState, 'pace' | 'workers'>): number | null {
  if (pace === null || workers.length === 0) return limit
  return limit === null ? pace : Math.min(limit, pace)
}

function workerStatus({ facts, trouble }: LiveWorker): WorkerStatus {
  return {
    host: facts?.host ?? null,
    pid: facts?.pid ?? null,
    since: isoOrNull(facts?.startedAt ?? null),
    in_flight: facts?.inFlight ?? null,
    trouble: trouble?.cause ?? null,
  }
}

export function batchStatus(
  report: BatchReport,
  { notBefore = null, deadline = null }: Partial<BatchSchedule> = {},
  finishAt: number | null = null,
): BatchStatus {
  const { batch } = report
  // What is not released yet is not in the forecast.
  const isForeseen = batch.state === 'released' && finishAt !== null && report.waiting > 0
  return {
    batch: batch.id,
    name: batch.name,
    state: batch.state === 'released' && batch.completedAt !== null ? 'done' : batch.state,
    rows: report.items,
    tagged: report.tagged,
    no_match: report.noMatch,
    waiting: report.waiting,
    withheld: report.withheld,
    dead: report.dead,
    invalid: report.invalid,
    cancelled: report.cancelled,
    credits_spent: batch.charged,
    created_at: new Date(batch.createdAt).toISOString(),
    completed_at: isoOrNull(batch.completedAt),
    not_before: isoOrNull(batch.state === 'loading' ? notBefore : null),
    deadline: isoOrNull(deadline),
    meets_deadline: deadline !== null && isForeseen ? finishAt <= deadline : null,
  }
}

function isoOrNull(at: number | null): string | null {
  return at === null ? null : new Date(at).toISOString()
}
