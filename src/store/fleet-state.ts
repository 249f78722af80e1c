import { LONGEST_WAIT_MS } from '../domain/backoff.js'
import type { Pause } from '../domain/pause-cause.js'
import type { Connection } from './connection.js'

/** What holds the whole fleet, as rows: pauses, the hold, the probe. For use inside a transaction. */

/** False when that cause stands already: its `since` and detail are kept. */
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

/** Extend-only. */
export function extendHold(connection: Connection, until: number): void {
  const standing = recordedHold(connection)
  if (until > standing || isAbsurd(standing, until))
    connection.run("insert into meta values ('hold_until', ?) on conflict do update set value = excluded.value", [
      String(until),
    ])
}

export function endHold(connection: Connection): void {
  connection.run("delete from meta where key = 'hold_until'")
}

/** Null: nobody is held. */
export function heldUntil(connection: Connection, now: number): number | null {
  const until = recordedHold(connection)
  return until > now && !isAbsurd(until, now) ? until : null
}

function recordedHold(connection: Connection): number {
  return Number(connection.get<{ value: string }>("select value from meta where key = 'hold_until'")?.value ?? 0)
}

/** No server is believed for so long: it was written by a wall clock that has been set back since. */
function isAbsurd(until: number, beside: number): boolean {
  return until - beside > 2 * LONGEST_WAIT_MS
}

/** A resume after the breaker's pause: calls up to here do not count against the fleet any more. */
export function markStreak(connection: Connection): void {
  connection.run(
    `insert into meta values ('streak_from', (select cast(coalesce(max(id), 0) as text) from call))
     on conflict do update set value = excluded.value`,
  )
}

/** The last call before that; 0 when there never was such a pause. */
export function streakMark(connection: Connection): number {
  return Number(connection.get<{ value: string }>("select value from meta where key = 'streak_from'")?.value ?? 0)
}
