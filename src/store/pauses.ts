import type { PauseCause } from '../domain/pause.js'
import { build, type Connection } from './connection.js'
import {
  activeHours,
  addPause,
  balanceWatch,
  endRateLimit,
  extendRateLimit,
  holdDetail,
  hoursOverriddenUntil,
  isProbing,
  markStreak,
  noteWatch,
  overrideHours,
  rateLimitEnd,
  setActiveHours,
  setProbing,
} from './control-state.js'
import type { PauseStore } from './store.js'

/**
 * One row per cause, so that lifting one never lifts another. BullMQ's pause flag only follows
 * these rows.
 */
export function pauseStore(connection: Connection): PauseStore {
  return {
    list: async () =>
      connection.read(() =>
        connection.rows(build.selectFrom('pause').select(['cause', 'since', 'detail']).orderBy('since')),
      ),
    add: async (pause) => connection.write(() => addPause(connection, pause), { evenIfLost: true }),
    lift: async (cause, probe) =>
      connection.write(() => {
        const stood = connection.run('delete from pause where cause = ?', [cause]).changes === 1
        if (stood && probe) setProbing(connection, true)
        if (stood && isForFailures(cause)) markStreak(connection)
        return stood
      }),
    activeHours: async () => connection.read(() => activeHours(connection)),
    setActiveHours: async (inForce) => connection.write(() => setActiveHours(connection, inForce)),
    hoursOverriddenUntil: async (now) => connection.read(() => hoursOverriddenUntil(connection, now)),
    overrideHours: async (now) =>
      connection.write(() => {
        const inForce = activeHours(connection)
        if (inForce === null || now < inForce.closedFrom || now >= inForce.closedUntil) return null
        overrideHours(connection, inForce.nextEnd)
        return inForce.nextEnd
      }),
    watch: async () => connection.read(() => balanceWatch(connection)),
    noteWatch: async (watch) => connection.write(() => noteWatch(connection, watch)),
    probing: async () => connection.read(() => isProbing(connection)),
    endProbe: async () => connection.write(() => setProbing(connection, false)),
    rateLimitedUntil: async (now) => connection.read(() => rateLimitEnd(connection, now)),
    holdDetail: async (now) => connection.read(() => holdDetail(connection, now)),
    rateLimit: async (until, now) => connection.write(() => extendRateLimit(connection, until, now)),
    liftRateLimit: async (now) =>
      connection.write(() => {
        const stood = rateLimitEnd(connection, now) !== null
        endRateLimit(connection)
        if (stood) setProbing(connection, true)
        return stood
      }),
  }
}

/** Pauses after which earlier failures no longer count for the circuit breaker. */
function isForFailures(cause: PauseCause): boolean {
  return cause !== 'operator' && cause !== 'reserve' && cause !== 'outside_hours'
}
