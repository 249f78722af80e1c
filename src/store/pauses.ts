import type { Pause, PauseCause } from '../domain/pause.js'
import type { Connection } from './connection.js'
import {
  activeHours,
  addPause,
  balanceWatch,
  endRateLimit,
  extendRateLimit,
  holdDetail,
  hoursOverriddenUntil,
  isProbing,
  liftPause,
  markStreak,
  noteWatch,
  outageFrom,
  overrideHours,
  rateLimitEnd,
  setActiveHours,
  setProbing,
} from './control-state.js'
import type { PauseStore } from './store.js'
import type { Actor } from './timeline.js'

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
    lift: (cause, probe, now = Date.now()) =>
      connection.write(async (tx) => {
        const stood = await liftPause(tx, cause, now, actor)
        if (stood && probe) setProbing(tx, true)
        if (stood && isForFailures(cause)) await markStreak(tx)
        return stood
      }),
    activeHours: () => connection.read(activeHours),
    setActiveHours: (inForce) => connection.write(async (tx) => setActiveHours(tx, inForce)),
    hoursOverriddenUntil: (now) => connection.read((tx) => hoursOverriddenUntil(tx, now)),
    overrideHours: (now) => connection.write((tx) => overrideHours(tx, now)),
    watch: () => connection.read(balanceWatch),
    noteWatch: (watch) => connection.write(async (tx) => noteWatch(tx, watch)),
    probing: () => connection.read(isProbing),
    endProbe: () => connection.write(async (tx) => setProbing(tx, false)),
    rateLimitedUntil: (now) => connection.read((tx) => rateLimitEnd(tx, now)),
    holdDetail: (now) => connection.read((tx) => holdDetail(tx, now)),
    rateLimit: (until, now) => connection.write((tx) => extendRateLimit(tx, until, now)),
    liftRateLimit: (now) =>
      connection.write(async (tx) => {
        const stood = (await rateLimitEnd(tx, now)) !== null
        endRateLimit(tx)
        if (stood) setProbing(tx, true)
        return stood
      }),
  }
}

/** Pauses after which earlier failures no longer count for the circuit breaker. */
function isForFailures(cause: PauseCause): boolean {
  return cause !== 'operator' && cause !== 'reserve' && cause !== 'outside_hours'
}
