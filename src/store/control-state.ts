import { type HoursInForce, hoursInWords, isOutsideHours } from '../domain/active-hours.js'
import type { BalanceWatch, Pause } from '../domain/pause.js'
import type { Connection } from './connection.js'

/**
 * What stops all workers, as rows: pauses, the rate limit, the probe. For use inside a transaction.
 */

/** False when that cause is already present: its `since` and detail are kept. */
export function addPause(connection: Connection, pause: Pause): boolean {
  return (
    connection.run('insert into pause (cause, since, detail) values (@cause, @since, @detail) on conflict do nothing', {
      ...pause,
    }).changes === 1
  )
}

export function isProbing(connection: Connection): boolean {
  return connection.get("select 1 from meta where key = 'probing'") !== undefined
}

export function setProbing(connection: Connection, probing: boolean): void {
  if (probing) connection.run("insert into meta values ('probing', '1') on conflict do nothing")
  else connection.run("delete from meta where key = 'probing'")
}

/** Only ever extends the rate limit. `detail`: the API's message. */
export function extendRateLimit(
  connection: Connection,
  until: number,
  now: number,
  detail: string | null = null,
): void {
  if (until <= (rateLimitEnd(connection, now) ?? 0)) return
  endRateLimit(connection)
  note(connection, 'hold_until', until)
  note(connection, 'hold_from', now)
  if (detail !== null) connection.run("insert into meta values ('hold_detail', ?)", [detail])
}

export function endRateLimit(connection: Connection): void {
  connection.run("delete from meta where key in ('hold_until', 'hold_from', 'hold_detail')")
}

/** The API's message with the rate limit. Null: none, or not rate limited. */
export function holdDetail(connection: Connection, now: number): string | null {
  if (rateLimitEnd(connection, now) === null) return null
  return connection.get<{ value: string }>("select value from meta where key = 'hold_detail'")?.value ?? null
}

/** The largest clock correction that is considered normal. */
export const SET_BACK_MS = 5000

/**
 * Null: not rate limited. A rate limit set in the future was written before the wall clock was set
 * back, and is ignored.
 */
export function rateLimitEnd(connection: Connection, now: number): number | null {
  const until = instant(connection, 'hold_until')
  return until > now && instant(connection, 'hold_from') <= now + SET_BACK_MS ? until : null
}

export function balanceWatch(connection: Connection): BalanceWatch {
  return {
    askedAt: instant(connection, 'balance_asked_at') || null,
    nextAt: instant(connection, 'balance_next_at') || null,
  }
}

export function noteWatch(connection: Connection, { askedAt, nextAt }: BalanceWatch): void {
  if (askedAt !== null) note(connection, 'balance_asked_at', askedAt)
  if (nextAt !== null) note(connection, 'balance_next_at', nextAt)
}

/** Null: calls may start at any time. */
export function activeHours(connection: Connection): HoursInForce | null {
  const row = connection.get<{ value: string }>("select value from meta where key = 'active_hours'")
  return row === undefined ? null : (JSON.parse(row.value) as HoursInForce)
}

export function setActiveHours(connection: Connection, inForce: HoursInForce | null): void {
  if (inForce === null) connection.run("delete from meta where key = 'active_hours'")
  else
    connection.run("insert into meta values ('active_hours', ?) on conflict do update set value = excluded.value", [
      JSON.stringify(inForce),
    ])
}

/** Null: the active hours apply. */
export function hoursOverriddenUntil(connection: Connection, now: number): number | null {
  const until = instant(connection, 'hours_overridden_until')
  return until > now ? until : null
}

export function overrideHours(connection: Connection, until: number): void {
  note(connection, 'hours_overridden_until', until)
}

/** Pauses the queue if it is outside the active hours. */
export function obeyActiveHours(connection: Connection, now: number): boolean {
  const inForce = activeHours(connection)
  if (inForce === null || !isOutsideHours(inForce, hoursOverriddenUntil(connection, now), now)) return false
  addPause(connection, { cause: 'outside_hours', since: now, detail: hoursInWords(inForce) })
  return true
}

type Instant = 'hold_until' | 'hold_from' | 'balance_asked_at' | 'balance_next_at' | 'hours_overridden_until'

function note(connection: Connection, key: Instant, at: number): void {
  connection.run('insert into meta values (?, ?) on conflict do update set value = excluded.value', [key, String(at)])
}

/** 0 when it was never written. */
function instant(connection: Connection, key: Instant): number {
  return Number(connection.get<{ value: string }>('select value from meta where key = ?', [key])?.value ?? 0)
}

/** The breaker's pause was resumed: calls up to this one no longer count. */
export function markStreak(connection: Connection): void {
  connection.run(
    `insert into meta values ('streak_from', (select cast(coalesce(max(id), 0) as text) from call))
     on conflict do update set value = excluded.value`,
  )
}

/** The last call before that resume. 0: there was no such pause. */
export function streakMark(connection: Connection): number {
  return Number(connection.get<{ value: string }>("select value from meta where key = 'streak_from'")?.value ?? 0)
}
