import { backoffMs, LONG_RATE_LIMIT_MS } from '../domain/backoff.js'
import { spendableCredits } from '../domain/credits.js'
import type { Logger } from '../domain/logger.js'
import { NOTIFICATION_LIFETIME_MS, type Notification } from '../domain/notification.js'
import { isForCredits, type Pause, type PauseCause } from '../domain/pause.js'
import { HEARTBEAT_INTERVAL_MS } from '../queue/heartbeat.js'
import type { WorkerRegistry } from '../queue/worker-registry.js'
import type { BatchDeadline } from '../store/schedules.js'
import type { Milestone, Store } from '../store/store.js'
import {
  batchCancelledNotification,
  batchDoneNotification,
  batchLateNotification,
  batchReleasedNotification,
  budgetUsedNotification,
  creditsShortNotification,
  manyDeadNotification,
  pausedNotification,
  rateLimitEndedNotification,
  rateLimitStartedNotification,
  resumedNotification,
  workerLostNotification,
} from './notification-messages.js'
import type { Webhook } from './webhook.js'

export interface NotificationParts {
  readonly store: Pick<Store, 'pauses' | 'batches' | 'schedules' | 'account' | 'notifications' | 'reports' | 'timeline'>
  readonly registry: Pick<WorkerRegistry, 'missing' | 'unregister' | 'workers'>
  /** Whether a webhook is configured. */
  readonly hasWebhook: boolean
  /** A batch with at least this share of dead rows is notified; percent. */
  readonly deadPercent: number
  readonly creditReserve: number
  readonly forecast: () => Promise<WorkForecast>
  readonly log: Logger
  readonly now: () => number
}

/** Null: nothing is due, or no calls are made. */
export interface WorkForecast {
  /** When the credits end, if that is before the work is done. */
  readonly creditsEndAt: number | null
  /** When each batch will be done. */
  readonly finishAt: ReadonlyMap<number, number | null>
}

/** Time for two heartbeats: a worker that had lost its connection to Redis for a moment has sent one by then. */
const LOST_AFTER_MS = 2 * HEARTBEAT_INTERVAL_MS + 2000
/** The looks of a busy worker may be this far apart. */
const SAME_LIMIT_MS = 10_000
/** Counting what is due reads many rows of a large batch. */
const CREDIT_LOOK_MS = 60_000
/** More than happens between a shortage and a top-up that matters. */
const MOST_ENTRIES = 200
/** A forecast reads many rows of a large batch. */
const DEADLINE_LOOK_MS = 60_000
/** The forecast of one moment may be wrong: a batch will be late when two in a row say so, this far apart. */
const LATE_AGAIN_MS = 5000

/**
 * Watches store and registry for what people want to know. Each event becomes one log line and one stored notification,
 * which `notificationSender` posts. Which milestones of a batch were notified is marked in the store. Which pauses, rate
 * limits, short credits and missing workers were notified is known in memory only. So a new worker notifies once more what still
 * lasts; the store drops a text that is still waiting to be sent.
 */
export function notificationTask(parts: NotificationParts): () => Promise<void> {
  const { store, registry, log, now } = parts
  let notifiedPauses: ReadonlyMap<PauseCause, number> = new Map()
  /** The notified rate limit, as seen last; null: none was, or its end was notified. */
  let limit: { readonly until: number; readonly seenAt: number } | null = null
  let missingSince: ReadonlyMap<string, number> = new Map()
  let creditsLookedAt = Number.NEGATIVE_INFINITY
  /** The notified shortage, and the credits seen last; null: none was notified. */
  let short: { readonly since: number; readonly left: number } | null = null
  let deadlinesLookedAt = Number.NEGATIVE_INFINITY
  /** The batches of the last look at deadlines, and whether it found them late. */
  let deadlines: ReadonlyMap<number, boolean> = new Map()
  /** When the batches that two looks in a row found late will be done. */
  let willBeLate: ReadonlyMap<number, number> = new Map()

  return async () => {
    // The hours end and begin every day, so nobody wants to be notified.
    await notifyPauses((await ongoing()).filter(({ cause }) => cause !== 'outside_hours'))
    await notifyRateLimit()
    await notifyMilestones()
    await notifyLostWorkers()
    await notifyShortCredits()
    // Last: milestones do not wait for a forecast.
    await findLateBatches()
  }

  /** An outage that is probed is still on: neither a probe nor its failure is notified. */
  async function ongoing(): Promise<readonly Pause[]> {
    const rows = await store.pauses.list()
    if (rows.some(({ cause }) => cause === 'outage') || !notifiedPauses.has('outage')) return rows
    const since = await store.pauses.outageFrom()
    return since === null ? rows : [...rows, { cause: 'outage', since, detail: '' }]
  }

  async function notify(notification: Notification): Promise<void> {
    logNotified(notification, parts.hasWebhook ? await store.notifications.add(notification, now()) : null)
  }

  /** @param delivery null: it was not stored, or before */
  function logNotified({ event, text, batch, figures }: Notification, delivery: number | null): void {
    const ids = { delivery, batch: batch?.id ?? null }
    log.info({ event: 'notification.created', notification: event, ...ids, figures }, text)
  }

  async function notifyPauses(rows: readonly Pause[]): Promise<void> {
    const fresh = rows.filter((row) => notifiedPauses.get(row.cause) !== row.since)
    const remaining = rows.map((row) => row.cause)
    const lifted = [...notifiedPauses.keys()].filter((cause) => !remaining.includes(cause))
    if (lifted.length > 0) {
      await notify(resumedNotification(lifted, remaining, await creditsAfter(lifted)))
    }
    if (fresh.length > 0) {
      const due = await store.batches.dueAtMost()
      const missing = fresh.some(({ cause }) => isForCredits(cause)) ? await creditsMissing() : null
      for (const row of fresh) await notify(pausedNotification(row, due, missing))
    }
    notifiedPauses = new Map(rows.map((row) => [row.cause, row.since]))
  }

  /** Null: not known. Who resumes by hand may have topped up, which the API tells with the next answer. */
  async function creditsAfter(lifted: readonly PauseCause[]): Promise<number | null> {
    const { creditsRemaining: left } = await store.account.get()
    return left !== null && lifted.some(isForCredits) && usableOf(left) === 0 ? null : left
  }

  /** One that begins again at once, as when a daily limit is used up, is still the same. */
  async function notifyRateLimit(): Promise<void> {
    const until = await store.pauses.rateLimitedUntil(now())
    if (until === null) {
      if (limit === null || now() - limit.seenAt < SAME_LIMIT_MS) return
      await notify(rateLimitEndedNotification())
      limit = null
      return
    }
    // Another worker may have seen the end of the one that was notified here.
    if (limit === null || now() >= limit.until + SAME_LIMIT_MS) {
      if (until - now() < LONG_RATE_LIMIT_MS) return
      await notify(rateLimitStartedNotification(until, await store.pauses.rateLimitDetail(now())))
    }
    limit = { until, seenAt: now() }
  }

  /** Stored for the webhook in the transaction that marks the batch. A crash after it loses only the log line. */
  async function notifyMilestones(): Promise<void> {
    const at = now()
    const notificationOf = (milestone: Milestone) =>
      milestoneNotification(milestone, willBeLate.get(milestone.batch.id) ?? null, at)
    const rules = { now: at, deadPercent: parts.deadPercent, willBeLate: [...willBeLate.keys()] }
    const taken = await store.batches.takeMilestones(rules, parts.hasWebhook ? notificationOf : undefined)
    for (const milestone of taken) logNotified(notificationOf(milestone), milestone.notificationId)
  }

  async function findLateBatches(): Promise<void> {
    const ahead = await store.schedules.deadlinesAhead(now())
    if (!isLookDue(ahead)) return
    deadlinesLookedAt = now()
    const { finishAt } = ahead.length > 0 ? await parts.forecast() : { finishAt: new Map<number, number>() }
    const late = new Map<number, number>()
    const found = new Map<number, boolean>()
    for (const { batchId, deadline } of ahead) {
      const end = finishAt.get(batchId) ?? null
      const isLate = end !== null && end > deadline
      if (isLate && deadlines.get(batchId) === true) late.set(batchId, end)
      found.set(batchId, isLate)
    }
    deadlines = found
    willBeLate = late
  }

  function isLookDue(ahead: readonly BatchDeadline[]): boolean {
    if (ahead.some(({ batchId }) => !deadlines.has(batchId))) return true
    const restMs = [...deadlines.values()].includes(true) ? LATE_AGAIN_MS : DEADLINE_LOOK_MS
    return now() - deadlinesLookedAt >= restMs
  }

  async function notifyLostWorkers(): Promise<void> {
    const missing = await registry.missing()
    missingSince = new Map(missing.map((id) => [id, missingSince.get(id) ?? now()]))
    for (const [id, since] of missingSince) {
      if (now() - since < LOST_AFTER_MS) continue
      // Unregistered before it is stored: a crash after this loses the notification. Otherwise every worker would send it.
      const running = await registry.workers()
      await registry.unregister(id)
      const notification = workerLostNotification(id, running)
      await store.timeline.add({ at: since, kind: 'worker_lost', by: 'worker', what: notification.text })
      await notify(notification)
    }
  }

  async function notifyShortCredits(): Promise<void> {
    // Before the balance is read: a top-up after it is one of this shortage.
    const since = now()
    const { creditsRemaining: left } = await store.account.get()
    if (left === null) return
    // The bound counts a search once for each batch that wants it. An exact count is needed only if it exceeds the credits.
    if ((await store.batches.dueAtMost()).searches <= usableOf(left)) {
      short = null
      return
    }
    if (short !== null && !(await isToppedUp(short, left))) {
      short = { ...short, left }
      return
    }
    if (short === null && now() - creditsLookedAt < CREDIT_LOOK_MS) return
    short = null
    creditsLookedAt = now()
    const { due } = await store.reports.totals(now())
    if (due <= usableOf(left)) return
    const { creditsEndAt } = await parts.forecast()
    await notify(creditsShortNotification({ left, reserve: parts.creditReserve, due, endAt: creditsEndAt }))
    short = { since, left }
  }

  /** After a top-up that does not suffice, the shortage is a new one. A rise that corrects a count is no top-up. */
  async function isToppedUp({ since, left: before }: { since: number; left: number }, left: number): Promise<boolean> {
    if (left <= before) return false
    const entries = await store.timeline.list(MOST_ENTRIES, { from: since, to: now() })
    return entries.some(({ kind }) => kind === 'credits_topped_up')
  }

  function usableOf(left: number): number {
    return spendableCredits(left, parts.creditReserve)
  }

  /** For all due searches. Null: the balance is not known. */
  async function creditsMissing(): Promise<number | null> {
    const { creditsRemaining: left } = await store.account.get()
    if (left === null) return null
    const { due } = await store.reports.totals(now())
    return Math.max(0, due - usableOf(left))
  }
}

/** @param finishAt when the batch will be done; null: not known */
function milestoneNotification(milestone: Milestone, finishAt: number | null, now: number): Notification {
  const { kind } = milestone
  switch (kind) {
    case 'released':
      return batchReleasedNotification(milestone)
    case 'budget_used':
      return budgetUsedNotification(milestone)
    case 'many_dead':
      return manyDeadNotification(milestone)
    case 'late':
      return batchLateNotification(milestone, finishAt, now)
    case 'done':
      return batchDoneNotification(milestone)
    case 'cancelled':
      return batchCancelledNotification(milestone)
    default:
      return kind satisfies never
  }
}

const RETRY = { baseMs: 1000, maxMs: 60_000 }
/** The longest Retry-After of a receiver that is obeyed. */
const LONGEST_RETRY_AFTER_MS = 60 * 60 * 1000

/**
 * Sends stored notifications, oldest first, one at a time; one that fails is tried again, at growing intervals, before
 * any later one. When interrupted, leaves the rest to the next worker.
 */
export function notificationSender(parts: {
  readonly store: Pick<Store, 'notifications'>
  readonly webhook: Webhook
  /** Whether this worker still holds the lease for sending. */
  readonly mayGoOn: () => Promise<boolean>
  readonly interrupted: AbortSignal
  /** Jitter, from 0 up to, not including, 1. */
  readonly random: () => number
  readonly now: () => number
}): () => Promise<void> {
  const { webhook, interrupted, mayGoOn, random, now } = parts
  const { notifications } = parts.store
  let failures = 0
  let notBefore = Number.NEGATIVE_INFINITY
  return async () => {
    const oldest = () => notifications.next(now() - NOTIFICATION_LIFETIME_MS)
    while (!interrupted.aborted) {
      if ((await oldest()) === null) return
      if (!(await mayGoOn())) {
        // Another worker tries, at its own intervals.
        failures = 0
        notBefore = Number.NEGATIVE_INFINITY
        return
      }
      // The lease is kept meanwhile, so that no other worker tries earlier.
      if (now() < notBefore) return
      // Read under the lease: another worker may just have sent what was the oldest.
      const next = await oldest()
      if (next === null) return
      const delivery = await webhook.post(next, interrupted)
      if (delivery.kind === 'failed') {
        // At least half of the wait, so that the intervals grow.
        const waitMs = backoffMs(++failures, RETRY, (1 + random()) / 2)
        notBefore = now() + Math.max(waitMs, Math.min(LONGEST_RETRY_AFTER_MS, delivery.retryAfterMs ?? 0))
        return
      }
      failures = 0
      await notifications.remove(next.id)
    }
  }
}
