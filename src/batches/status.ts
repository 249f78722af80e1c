import type { Settings } from '../config/settings.js'
import { type HoursInForce, parseActiveHours, type ZonedHours } from '../domain/active-hours.js'
import { isoOrNull } from '../domain/format.js'
import { NOTIFICATION_LIFETIME_MS } from '../domain/notification.js'
import type { SearchQueue } from '../queue/search-queue.js'
import type { LiveWorker } from '../queue/worker-registry.js'
import type { BatchReport, Store, WhichBatches } from '../store/store.js'
import { forecast, isInTime } from './estimate.js'
import { creditsEndMessage, isRateLimitedRepeatedly, statusMessage } from './status-message.js'
import type { BatchStatus, StatusReport, WorkerStatus } from './status-report.js'

export interface StatusParts {
  readonly store: Pick<Store, 'reports' | 'pauses' | 'account' | 'timeline' | 'notifications'>
  /** Null: Redis is unreachable or not started. The report then comes from the store alone. */
  readonly queue: Pick<SearchQueue, 'searches' | 'throttle' | 'registry'> | null
  /** Waits for what was asked of Redis, and may limit how long. */
  readonly askRedis?: <T>(work: Promise<T>) => Promise<T>
  /** Why Redis is unreachable, one sentence. Default null: it is not started. */
  readonly redisProblem?: string | null
  readonly now: () => number
  /** `rateLimit`: calls a minute, or `auto` for the account's limit. `autoResumeHours`: how long auto-resume lasts. `creditReserve`: credits that are not spent. */
  readonly settings: Pick<Settings, 'rateLimit' | 'autoResumeHours' | 'creditReserve' | 'activeHours'>
}

const SHOWN_ENTRIES = 20
const HOUR_MS = 60 * 60 * 1000

/**
 * Reports from store and queue: what is done, what is due, and the state.
 * @param which one batch, or unfinished ones first, then the last to finish
 */
export async function status(parts: StatusParts, which: WhichBatches): Promise<StatusReport> {
  const now = parts.now()
  const [{ batches, totals, needs }, pauses, watch, probing, account, hours, overriddenUntil, timeline, notifications] =
    await Promise.all([
      parts.store.reports.look(which, now),
      parts.store.pauses.list(),
      parts.store.pauses.watch(),
      parts.store.pauses.probing(),
      parts.store.account.get(),
      parts.store.pauses.activeHours(),
      parts.store.pauses.hoursOverriddenUntil(now),
      parts.store.timeline.list(SHOWN_ENTRIES),
      parts.store.notifications.pending(now - NOTIFICATION_LIFETIME_MS),
    ])
  const queue = await (parts.askRedis ?? asLongAsItTakes)(readQueue(parts.queue))
  const writeFailures = queue.workers.flatMap(({ writeFailure }) => writeFailure ?? [])
  const { rateLimit, autoResumeHours } = parts.settings
  const limit = rateOf(rateLimit === 'auto' ? account.limitPerMinute : rateLimit, queue)
  const explained = statusMessage({
    ...totals,
    pauses,
    activeHours: hours,
    hoursOverriddenUntil: overriddenUntil,
    watch,
    autoResumeMs: autoResumeHours * HOUR_MS,
    probing,
    workers: queue.workers.length,
    writeFailures,
    rateLimitedUntil: queue.rateLimitedUntil ?? (await parts.store.pauses.rateLimitedUntil(now)),
    rateLimitDetail: await parts.store.pauses.rateLimitDetail(now),
    outOfToday: account.remainingToday === 0,
    active: queue.active,
    delayed: queue.delayed,
    nextAttemptAt: queue.delays?.first ?? null,
    redisProblem: parts.redisProblem ?? null,
    limitPerMinute: limit,
    creditsRemaining: account.creditsRemaining,
    mismatches: queue.workers.flatMap(({ facts }) =>
      facts === null ? [] : facts.mismatches.map((each) => ({ ...each, host: facts.host, pid: facts.pid })),
    ),
    withheld: batches.reduce((sum, report) => sum + report.withheld, 0),
    withheldBatch: onlyBatch(batches.filter(({ withheld }) => withheld > 0)),
    now,
  })
  const forecastOf = (due: number) =>
    forecast({
      // A state that ends by itself has an `until`. A write failure has none.
      moves: explained.state === 'running' || (explained.until !== null && !isRateLimitedRepeatedly(totals)),
      from: explained.until ?? now,
      due,
      lastDelayedUntil: queue.delays?.last ?? null,
      perMinute: limit,
      account,
      creditReserve: parts.settings.creditReserve,
      within: { hours: zonedHours(hours) ?? parts.settings.activeHours, overriddenUntil },
    })
  const ahead = forecastOf(totals.due)
  /** Includes the searches that run before it. Searches that batches share count once. */
  const outlookOf = (batchId: number): BatchOutlook => {
    const place = needs.findIndex((need) => need.batchId === batchId)
    const need = needs[place]
    if (need === undefined) return { callsLastMinute: 0, finishAt: null }
    const before = needs.slice(0, place + 1).reduce((sum, { credits }) => sum + credits, 0)
    return {
      callsLastMinute: need.callsLastMinute,
      finishAt: need.credits === 0 ? null : forecastOf(Math.min(before, totals.due)).finishAt,
    }
  }
  const creditsEnd =
    ahead.creditsEndAt === null ? [] : [creditsEndMessage(ahead.creditsMissing ?? 0, ahead.creditsEndAt, now)]
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
      write_failures: writeFailures.length,
    },
    credits: {
      remaining: account.creditsRemaining,
      spent: totals.spent,
      unknown_outcomes: totals.unknownOutcomes,
      unknown_unseen: totals.unknownUnseen,
      needed: totals.due,
      // `remaining` says whether the balance is known.
      missing: ahead.creditsMissing ?? 0,
      last_until: isoOrNull(ahead.creditsEndAt),
    },
    calls_per_minute: { limit, last: totals.callsLastMinute },
    finish_at: isoOrNull(ahead.finishAt),
    notifications: {
      pending: notifications.count,
      since: isoOrNull(notifications.since),
      senders: queue.workers.filter(({ facts }) => facts?.hasWebhook === true).length,
    },
    timeline: timeline.map((entry) => ({ ...entry, at: new Date(entry.at).toISOString() })),
    workers: queue.workers.map(workerStatus),
    batches: batches.map((report) => batchStatus(report, outlookOf(report.batch.id))),
  }
}

const asLongAsItTakes = <T>(work: Promise<T>): Promise<T> => work

function onlyBatch([first, ...others]: readonly BatchReport[]): BatchReport['batch'] | null {
  return first === undefined || others.length > 0 ? null : first.batch
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

/** The limit, or less while workers leave room for other clients of the same key. What another program has set may be a fraction. */
function rateOf(limit: number | null, { pace, workers }: Pick<QueueState, 'pace' | 'workers'>): number | null {
  if (pace === null || workers.length === 0) return limit
  const whole = Math.max(1, Math.round(pace))
  return limit === null ? whole : Math.min(limit, whole)
}

function workerStatus({ facts, writeFailure }: LiveWorker): WorkerStatus {
  return {
    host: facts?.host ?? null,
    pid: facts?.pid ?? null,
    since: isoOrNull(facts?.startedAt ?? null),
    in_flight: facts?.inFlight ?? null,
    write_failure: writeFailure?.cause ?? null,
  }
}

/** The forecast for one batch. */
interface BatchOutlook {
  /** Null: not asked. */
  readonly callsLastMinute: number | null
  /** Null: nothing is due, no calls are made, or the credits end before. */
  readonly finishAt: number | null
}

const NOT_ASKED: BatchOutlook = { callsLastMinute: null, finishAt: null }

export function batchStatus(report: BatchReport, { callsLastMinute, finishAt }: BatchOutlook = NOT_ASKED): BatchStatus {
  const { batch } = report
  const { completedAt, deadline } = batch
  return {
    batch: batch.id,
    name: batch.name,
    state: batch.state === 'released' && completedAt !== null ? 'done' : batch.state,
    rows: batch.items,
    tagged: batch.tagged,
    no_match: batch.noMatch,
    waiting: report.waiting,
    withheld: report.withheld,
    dead: batch.dead,
    invalid: batch.invalid,
    cancelled: report.cancelled,
    credits_spent: batch.charged,
    credits_needed: report.creditsNeeded,
    calls_last_minute: callsLastMinute,
    created_at: new Date(batch.createdAt).toISOString(),
    completed_at: isoOrNull(completedAt),
    not_before: isoOrNull(batch.state === 'loading' ? batch.notBefore : null),
    finish_at: isoOrNull(finishAt),
    deadline: isoOrNull(deadline),
    meets_deadline: batch.state === 'cancelled' ? null : isInTime(deadline, completedAt ?? finishAt),
  }
}
