import { type HoursInForce, hoursInWords, isOutsideHours } from '../domain/active-hours.js'
import { LONG_RATE_LIMIT_MS } from '../domain/backoff.js'
import { formatDateTime, formatDuration, truncate } from '../domain/format.js'
import { causesInWords, type Pause, type PauseCause, type PauseWatch, pausedEntry } from '../domain/pause.js'
import { retryUnauthorized } from './dead-letters.js'
import type { Connection, Transaction } from './engine.js'
import { latestCall } from './ledger.js'
import { clearMeta, readMeta, writeMeta } from './meta.js'
import { type Actor, addEntry } from './timeline.js'

export interface Lifted {
  /** Searches refused as unauthorized that are now retried. */
  readonly retried: number
}

export interface PauseStore {
  list(): Promise<readonly Pause[]>
  /** False when that cause is already present (its `since` and detail are kept). */
  add(pause: Pause): Promise<boolean>
  /**
   * Lifts one cause. Null when it was not present. `probe`: the next calls go one at a time until
   * one of them is answered. `unauthorized`: what the key had made dead letters is due again.
   */
  lift(cause: PauseCause, probe: boolean, now: number): Promise<Lifted | null>
  /** When the outage began that is paused for, or probed. Null: none. */
  outageFrom(): Promise<number | null>
  watch(): Promise<PauseWatch>
  /** Null keeps the previous value. */
  noteWatch(watch: PauseWatch): Promise<void>
  probing(): Promise<boolean>
  /**
   * The end of the rate limit, so that it can be restored in a Redis that lost its data. Null:
   * none, or over.
   */
  rateLimitedUntil(now: number): Promise<number | null>
  /** The API's message with it. Null: none, or not rate limited. */
  rateLimitDetail(now: number): Promise<string | null>
  /**
   * Ends the rate limit by hand. False when there was none. The next calls go one at a time until
   * one is answered.
   */
  liftRateLimit(now: number): Promise<boolean>
  /** The active hours as the workers keep them. Null: calls may start at any time. */
  activeHours(): Promise<HoursInForce | null>
  setActiveHours(inForce: HoursInForce | null): Promise<void>
  /** `resume --now` lets calls start until then. Null: it does not. */
  hoursOverriddenUntil(now: number): Promise<number | null>
  /** Lets calls start until the next end of the active hours, and returns it. Null: it is not outside them. */
  overrideHours(now: number): Promise<number | null>
}

/**
 * One row per cause, so that lifting one never lifts another. BullMQ's pause flag only follows
 * these rows.
 */
export function pauseStore(connection: Connection, actor: Actor): PauseStore {
  return {
    outageFrom: () => connection.read(outageFrom),
    list: () => connection.read((tx) => tx.all<Pause>('select cause, since, detail from pause order by since')),
    // A pause follows from the end of a call.
    add: (pause) => connection.write((tx) => addPause(tx, pause, actor), 'must be kept'),
    lift: (cause, probe, now) =>
      connection.write(async (tx) => {
        if ((await tx.run('delete from pause where cause = @cause', { cause })) === 0) return null
        // A worker lifts an outage only to probe: it is over when a call is answered.
        if (cause !== 'outage' || actor !== 'worker') {
          const what = `Resumed (was paused: ${causesInWords([cause])}).`
          addEntry(tx, { at: now, kind: 'resumed', by: actor, what })
        }
        if (probe) await startProbe(tx)
        if (isForFailures(cause)) writeMeta(tx, 'streak_from', await latestCall(tx))
        return { retried: cause === 'unauthorized' ? await retryUnauthorized(tx) : 0 }
      }),
    activeHours: () => connection.read(activeHours),
    setActiveHours: (inForce) =>
      connection.write(async (tx) => {
        if (inForce === null) clearMeta(tx, 'active_hours')
        else writeMeta(tx, 'active_hours', JSON.stringify(inForce))
      }),
    hoursOverriddenUntil: (now) =>
      connection.read(async (tx) => later(await readMeta(tx, 'hours_overridden_until'), now)),
    overrideHours: (now) =>
      connection.write(async (tx) => {
        const inForce = await activeHours(tx)
        if (inForce === null || now < inForce.closedFrom || now >= inForce.closedUntil) return null
        writeMeta(tx, 'hours_overridden_until', inForce.nextEnd)
        return inForce.nextEnd
      }),
    watch: () =>
      connection.read(async (tx) => ({
        askedAt: Number(await readMeta(tx, 'balance_asked_at')) || null,
        nextAt: Number(await readMeta(tx, 'balance_next_at')) || null,
      })),
    noteWatch: ({ askedAt, nextAt }) =>
      connection.write(async (tx) => {
        if (askedAt !== null) writeMeta(tx, 'balance_asked_at', askedAt)
        if (nextAt !== null) writeMeta(tx, 'balance_next_at', nextAt)
      }),
    probing: () => connection.read(async (tx) => (await readMeta(tx, 'probing')) !== null),
    rateLimitedUntil: (now) => connection.read((tx) => rateLimitEnd(tx, now)),
    rateLimitDetail: (now) =>
      connection.read(async (tx) => ((await rateLimitEnd(tx, now)) === null ? null : readMeta(tx, 'hold_detail'))),
    liftRateLimit: (now) =>
      connection.write(async (tx) => {
        const wasActive = (await rateLimitEnd(tx, now)) !== null
        clearMeta(tx, ...RATE_LIMIT)
        if (!wasActive) return false
        await startProbe(tx)
        addEntry(tx, { at: now, kind: 'resumed', by: actor, what: 'The rate limit by the API was lifted.' })
        return true
      }),
  }
}

/** Pauses after which earlier failures no longer count for the circuit breaker. */
function isForFailures(cause: PauseCause): boolean {
  return cause !== 'operator' && cause !== 'reserve' && cause !== 'outside_hours'
}

/**
 * False when that cause is already present: its `since` and detail are kept. An outage that is back
 * after a probe is the same outage: it keeps its beginning, and the timeline has it once.
 */
export async function addPause(tx: Transaction, pause: Pause, by: Actor = 'worker'): Promise<boolean> {
  const known = pause.cause === 'outage' ? await outageFrom(tx) : null
  const changes = await tx.run(
    'insert into pause (cause, since, detail) values (@cause, @since, @detail) on conflict (cause) do nothing',
    { ...pause, since: known ?? pause.since },
  )
  if (changes === 1 && known === null) {
    if (pause.cause === 'outage') writeMeta(tx, 'outage_from', pause.since)
    addEntry(tx, { at: pause.since, kind: 'paused', by, what: pausedEntry(pause) })
  }
  return changes === 1
}

async function outageFrom(tx: Transaction): Promise<number | null> {
  return Number(await readMeta(tx, 'outage_from')) || null
}

async function startProbe(tx: Transaction): Promise<void> {
  writeMeta(tx, 'probing', await latestCall(tx))
}

/** A probe was answered. @param from when the outage began that it probed; null: none */
export function endProbe(tx: Transaction, from: number | null, now: number): void {
  clearMeta(tx, 'probing')
  if (from === null) return
  clearMeta(tx, 'outage_from')
  const what = `The API answers again, after ${formatDuration(now - from)}.`
  addEntry(tx, { at: now, kind: 'resumed', by: 'worker', what })
}

const RATE_LIMIT = ['hold_until', 'hold_from', 'hold_detail'] as const

/** Only ever extends the rate limit. `now`: of the save, which may be late. `detail`: the API's message. */
export async function extendRateLimit(
  tx: Transaction,
  until: number,
  now: number,
  detail: string | null = null,
): Promise<void> {
  const before = (await rateLimitEnd(tx, now)) ?? now
  if (until <= before) return
  clearMeta(tx, ...RATE_LIMIT)
  writeMeta(tx, 'hold_until', until)
  writeMeta(tx, 'hold_from', now)
  if (detail !== null) writeMeta(tx, 'hold_detail', detail)
  if (until - now < LONG_RATE_LIMIT_MS || before - now >= LONG_RATE_LIMIT_MS) return
  addEntry(tx, { at: now, kind: 'rate_limited', by: 'worker', what: rateLimitSummary(until, detail) })
}

/** For the timeline and the notification. */
export function rateLimitSummary(until: number, detail: string | null): string {
  const said = detail === null ? '' : ` (the API says "${truncate(detail, 200)}")`
  return `Rate limited by the API until ${formatDateTime(until)}${said}.`
}

/** The largest clock correction that is considered normal. */
export const SET_BACK_MS = 5000

async function rateLimitEnd(tx: Transaction, now: number): Promise<number | null> {
  return rateLimitEndOf({ until: await readMeta(tx, 'hold_until'), from: await readMeta(tx, 'hold_from') }, now)
}

/**
 * From the values in `meta`. Null: not rate limited. A rate limit set in the future was written before
 * the wall clock was set back, and is ignored.
 */
export function rateLimitEndOf(
  limit: { readonly until: string | null; readonly from: string | null },
  now: number,
): number | null {
  return Number(limit.from) <= now + SET_BACK_MS ? later(limit.until, now) : null
}

/** Null: not after now. */
function later(until: string | null, now: number): number | null {
  return Number(until) > now ? Number(until) : null
}

async function activeHours(tx: Transaction): Promise<HoursInForce | null> {
  const text = await readMeta(tx, 'active_hours')
  return text === null ? null : (JSON.parse(text) as HoursInForce)
}

/** Pauses the queue if it is outside the active hours, given as the values in `meta`. */
export async function enforceActiveHours(
  tx: Transaction,
  { hours, overriddenUntil }: { readonly hours: string | null; readonly overriddenUntil: string | null },
  now: number,
): Promise<boolean> {
  if (hours === null) return false
  const inForce = JSON.parse(hours) as HoursInForce
  if (!isOutsideHours(inForce, later(overriddenUntil, now), now)) return false
  await addPause(tx, { cause: 'outside_hours', since: now, detail: hoursInWords(inForce) })
  return true
}
