import { type HoursInForce, hoursInWords, isOutsideHours } from '../domain/active-hours.js'
import { formatDuration } from '../domain/format.js'
import { type BalanceWatch, causesInWords, type Pause, type PauseCause, pausedEntry } from '../domain/pause.js'
import type { Connection, Transaction } from './engine.js'
import { type Actor, addEntry } from './timeline.js'

export interface PauseStore {
  list(): Promise<readonly Pause[]>
  /** False when that cause is already present (its `since` and detail are kept). */
  add(pause: Pause): Promise<boolean>
  /**
   * Lifts one cause. False when it was not present. `probe`: the next calls go one at a time until
   * one is answered.
   */
  lift(cause: PauseCause, probe: boolean, now: number): Promise<boolean>
  /** When the outage began that is paused for, or probed. Null: none. */
  outageFrom(): Promise<number | null>
  watch(): Promise<BalanceWatch>
  /** Null keeps the previous value. */
  noteWatch(watch: BalanceWatch): Promise<void>
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
    add: (pause) => connection.write((tx) => addPause(tx, pause, actor), 'end of a call'),
    lift: (cause, probe, now) =>
      connection.write(async (tx) => {
        const wasActive = await liftPause(tx, cause, now, actor)
        if (wasActive && probe) setProbing(tx, true)
        if (wasActive && isForFailures(cause)) await markStreak(tx)
        return wasActive
      }),
    activeHours: () => connection.read(activeHours),
    setActiveHours: (inForce) => connection.write(async (tx) => setActiveHours(tx, inForce)),
    hoursOverriddenUntil: (now) => connection.read((tx) => hoursOverriddenUntil(tx, now)),
    overrideHours: (now) => connection.write((tx) => overrideHours(tx, now)),
    watch: () => connection.read(balanceWatch),
    noteWatch: (watch) => connection.write(async (tx) => noteWatch(tx, watch)),
    probing: () => connection.read(isProbing),
    rateLimitedUntil: (now) => connection.read((tx) => rateLimitEnd(tx, now)),
    rateLimitDetail: (now) => connection.read((tx) => rateLimitDetail(tx, now)),
    liftRateLimit: (now) =>
      connection.write(async (tx) => {
        const wasActive = (await rateLimitEnd(tx, now)) !== null
        endRateLimit(tx)
        if (wasActive) setProbing(tx, true)
        return wasActive
      }),
  }
}

/** Pauses after which earlier failures no longer count for the circuit breaker. */
function isForFailures(cause: PauseCause): boolean {
  return cause !== 'operator' && cause !== 'reserve' && cause !== 'outside_hours'
}

/**
 * What stops all workers, as rows: pauses, the rate limit, the probe. For use inside a transaction.
 */

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
    if (pause.cause === 'outage') note(tx, 'outage_from', pause.since)
    addEntry(tx, { at: pause.since, kind: 'paused', by, what: pausedEntry(pause) })
  }
  return changes === 1
}

/** Lifts one cause. A worker lifts an outage only to probe: it is over when a call is answered. */
export async function liftPause(tx: Transaction, cause: PauseCause, now: number, by: Actor): Promise<boolean> {
  if ((await tx.run('delete from pause where cause = @cause', { cause })) === 0) return false
  if (cause !== 'outage' || by !== 'worker')
    addEntry(tx, { at: now, kind: 'resumed', by, what: `Resumed (was paused: ${causesInWords([cause])}).` })
  return true
}

/** When the outage began that is paused for, or probed. Null: none. */
export async function outageFrom(tx: Transaction): Promise<number | null> {
  return Number(await noteOf(tx, 'outage_from')) || null
}

/** A probe was answered. @param from when the outage began that it probed; null: none */
export function endProbe(tx: Transaction, from: number | null, now: number): void {
  setProbing(tx, false)
  if (from === null) return
  tx.send("delete from meta where key = 'outage_from'")
  const what = `The API answers again, after ${formatDuration(now - from)}.`
  addEntry(tx, { at: now, kind: 'resumed', by: 'worker', what })
}

export async function isProbing(tx: Transaction): Promise<boolean> {
  return (await noteOf(tx, 'probing')) !== null
}

export function setProbing(tx: Transaction, probing: boolean): void {
  if (probing) note(tx, 'probing', '1')
  else tx.send("delete from meta where key = 'probing'")
}

/** Only ever extends the rate limit. `now`: of the save, which may be late. `detail`: the API's message. */
export async function extendRateLimit(
  tx: Transaction,
  until: number,
  now: number,
  detail: string | null = null,
): Promise<void> {
  if (until <= ((await rateLimitEnd(tx, now)) ?? now)) return
  endRateLimit(tx)
  note(tx, 'hold_until', until)
  note(tx, 'hold_from', now)
  if (detail !== null) note(tx, 'hold_detail', detail)
}

export function endRateLimit(tx: Transaction): void {
  tx.send("delete from meta where key in ('hold_until', 'hold_from', 'hold_detail')")
}

/** The API's message with the rate limit. Null: none, or not rate limited. */
export async function rateLimitDetail(tx: Transaction, now: number): Promise<string | null> {
  return (await rateLimitEnd(tx, now)) === null ? null : noteOf(tx, 'hold_detail')
}

/** The largest clock correction that is considered normal. */
export const SET_BACK_MS = 5000

/**
 * Null: not rate limited. A rate limit set in the future was written before the wall clock was set
 * back, and is ignored.
 */
export async function rateLimitEnd(tx: Transaction, now: number): Promise<number | null> {
  return rateLimitEndOf({ until: await noteOf(tx, 'hold_until'), from: await noteOf(tx, 'hold_from') }, now)
}

/** The same, from the values of the two notes. */
export function rateLimitEndOf(
  limit: { readonly until: string | null; readonly from: string | null },
  now: number,
): number | null {
  const until = Number(limit.until)
  return until > now && Number(limit.from) <= now + SET_BACK_MS ? until : null
}

/** An expression for the value of a note. */
export function noteSql(key: Key): string {
  return `(select value from meta where key = '${key}')`
}

export async function balanceWatch(tx: Transaction): Promise<BalanceWatch> {
  return {
    askedAt: Number(await noteOf(tx, 'balance_asked_at')) || null,
    nextAt: Number(await noteOf(tx, 'balance_next_at')) || null,
  }
}

export function noteWatch(tx: Transaction, { askedAt, nextAt }: BalanceWatch): void {
  if (askedAt !== null) note(tx, 'balance_asked_at', askedAt)
  if (nextAt !== null) note(tx, 'balance_next_at', nextAt)
}

/** The breaker's pause was resumed: calls up to this one no longer count. */
export async function markStreak(tx: Transaction): Promise<void> {
  const latest = await tx.get<{ id: number | null }>('select max(id) as id from call')
  note(tx, 'streak_from', latest?.id ?? 0)
}

/** The last call before that resume. 0: there was no such pause. */
export async function streakMark(tx: Transaction): Promise<number> {
  return Number(await noteOf(tx, 'streak_from'))
}

/** Null: calls may start at any time. */
export async function activeHours(tx: Transaction): Promise<HoursInForce | null> {
  const text = await noteOf(tx, 'active_hours')
  return text === null ? null : (JSON.parse(text) as HoursInForce)
}

export function setActiveHours(tx: Transaction, inForce: HoursInForce | null): void {
  if (inForce === null) tx.send("delete from meta where key = 'active_hours'")
  else note(tx, 'active_hours', JSON.stringify(inForce))
}

/** Null: the active hours apply. */
export async function hoursOverriddenUntil(tx: Transaction, now: number): Promise<number | null> {
  const until = Number(await noteOf(tx, 'hours_overridden_until'))
  return until > now ? until : null
}

/** Returns until when. Null: it is inside the active hours. */
export async function overrideHours(tx: Transaction, now: number): Promise<number | null> {
  const inForce = await activeHours(tx)
  if (inForce === null || now < inForce.closedFrom || now >= inForce.closedUntil) return null
  note(tx, 'hours_overridden_until', inForce.nextEnd)
  return inForce.nextEnd
}

/** Pauses the queue if it is outside the active hours, given as the notes say. */
export async function enforceActiveHours(
  tx: Transaction,
  notes: { readonly hours: string | null; readonly overriddenUntil: string | null },
  now: number,
): Promise<boolean> {
  if (notes.hours === null) return false
  const inForce = JSON.parse(notes.hours) as HoursInForce
  const overriddenUntil = Number(notes.overriddenUntil)
  if (!isOutsideHours(inForce, overriddenUntil > now ? overriddenUntil : null, now)) return false
  await addPause(tx, { cause: 'outside_hours', since: now, detail: hoursInWords(inForce) })
  return true
}

/** How many calls of unknown outcome a person has looked at. */
export async function unknownSeenCount(tx: Transaction): Promise<number> {
  return Number(await noteOf(tx, 'unknown_seen'))
}

export function setUnknownSeenCount(tx: Transaction, calls: number): void {
  note(tx, 'unknown_seen', calls)
}

type Key =
  | 'unknown_seen'
  | 'api_address'
  | 'api_adopted'
  | 'probing'
  | 'outage_from'
  | 'hold_until'
  | 'hold_from'
  | 'hold_detail'
  | 'balance_asked_at'
  | 'balance_next_at'
  | 'streak_from'
  | 'active_hours'
  | 'hours_overridden_until'

function note(tx: Transaction, key: Key, value: string | number): void {
  tx.send(
    'insert into meta (key, value) values (@key, @value) on conflict (key) do update set value = excluded.value',
    { key, value: String(value) },
  )
}

/** Null: it was never written. */
async function noteOf(tx: Transaction, key: Key): Promise<string | null> {
  return (await tx.get<{ value: string }>('select value from meta where key = @key', { key }))?.value ?? null
}
