import { CAN_PAY_SQL } from './batch-row.js'
import type { Connection } from './connection.js'
import { type RefColumns, refOf } from './search-ref.js'
import type { FeedStore } from './store.js'

/**
 * Queued searches that no batch can pay. To find them everything that is queued is looked through, in a worker's event
 * loop, so that is done only while there is something to find: after a batch has been cancelled, has used up its cap, or
 * was let go again, until nothing is found twice. (Twice, since the feeder may be marking what it added just before.) What
 * is missed, such as the search of a call that was in flight then and timed out, its claim refuses.
 */
export function unwantedRefs(connection: Connection): FeedStore['unwantedRefs'] {
  let last = { cannotPay: '[]', foundNothing: 0 }
  return async (after, limit) =>
    connection.read(() => {
      const cannotPay = batchesThatCannotPay(connection)
      if (cannotPay !== last.cannotPay) last = { cannotPay, foundNothing: 0 }
      if (cannotPay === '[]' || last.foundNothing === 2) return { refs: [], next: null }
      const rows = unwanted(connection, after, limit)
      if (rows.length > 0) last.foundNothing = 0
      else if (after === 0) last.foundNothing += 1
      return { refs: rows.map(refOf), next: rows.length < limit ? null : (rows.at(-1)?.id ?? null) }
    })
}

/** What they are and have spent, as a text that is the same as long as that is. */
function batchesThatCannotPay(connection: Connection): string {
  return JSON.stringify(
    connection.all(
      `select id, state, charged, max_credits, first from batch
       where state <> 'loading' and pending > 0 and not (${CAN_PAY_SQL})`,
    ),
  )
}

function unwanted(connection: Connection, after: number, limit: number): readonly (RefColumns & { id: number })[] {
  return connection.all<RefColumns & { id: number }>(
    `select id, fingerprint, generation, round from search indexed by search_queued
     where state = 'queued' and id > ?
       and not exists (select 1 from call where call.search_id = search.id and call.outcome = 'sent')
       and not exists (
         select 1 from want join batch on batch.id = want.batch_id
         where want.search_id = search.id and ${CAN_PAY_SQL})
     order by id limit ?`,
    [after, limit],
  )
}
