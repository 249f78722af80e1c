import { build, type Connection } from './connection.js'
import {
  addPause,
  balanceWatch,
  endHold,
  extendHold,
  heldUntil,
  holdDetail,
  isProbing,
  markStreak,
  noteWatch,
  setProbing,
} from './fleet-state.js'
import type { PauseRecord } from './store.js'

/** One row per cause, so that lifting one never lifts another. BullMQ's flag only follows these rows. */
export function pauseRecord(connection: Connection): PauseRecord {
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
        if (stood && cause !== 'operator' && cause !== 'reserve') markStreak(connection)
        return stood
      }),
    watch: async () => connection.read(() => balanceWatch(connection)),
    noteWatch: async (watch) => connection.write(() => noteWatch(connection, watch)),
    probing: async () => connection.read(() => isProbing(connection)),
    endProbe: async () => connection.write(() => setProbing(connection, false)),
    holdUntil: async (now) => connection.read(() => heldUntil(connection, now)),
    holdDetail: async (now) => connection.read(() => holdDetail(connection, now)),
    hold: async (until, now) => connection.write(() => extendHold(connection, until, now)),
    liftHold: async (now) =>
      connection.write(() => {
        const stood = heldUntil(connection, now) !== null
        endHold(connection)
        if (stood) setProbing(connection, true)
        return stood
      }),
  }
}
