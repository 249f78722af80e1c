import { CAN_PAY_SQL } from './batch-row.js'
import type { Connection, Transaction } from './connection.js'
import { type RefPage, refPage } from './search-ref.js'
import type { FeedStore } from './store.js'

/**
 * Queued searches that no batch can pay for. Finding them scans everything queued, in a worker's
 * event loop, so it is done only while there may be some: after a batch was cancelled, used up its
 * cap or was released again, until two scans find nothing. (Two, since the feeder may be marking
 * what it has just added.) A search that is missed, such as one whose call was in flight then and
 * timed out, is refused by its claim.
 */
export function unwantedRefs(connection: Connection): FeedStore['unwantedRefs'] {
  let last = { cannotPay: '[]', foundNothing: 0 }
  return (after, limit) =>
    connection.read(async (tx) => {
      const cannotPay = await batchesThatCannotPay(tx)
      if (cannotPay !== last.cannotPay) last = { cannotPay, foundNothing: 0 }
      if (cannotPay === '[]' || last.foundNothing === 2) return { refs: [], next: null }
      const page = await unwanted(tx, after, limit)
      if (page.refs.length > 0) last.foundNothing = 0
      else if (after === 0) last.foundNothing += 1
      return page
    })
}

/** These batches and what they have spent, as a text to compare. */
async function batchesThatCannotPay(tx: Transaction): Promise<string> {
  return JSON.stringify(
    await tx.all(
      `select id, state, charged, max_credits, first from batch
       where state <> 'loading' and pending > 0 and not (${CAN_PAY_SQL}) order by id`,
    ),
  )
}

function unwanted(tx: Transaction, after: number, limit: number): Promise<RefPage> {
  return refPage(
    tx,
    `from search $by(search_queued)
     where state = 'queued' and id > @after
       and not exists (select 1 from call where call.search_id = search.id and call.outcome = 'sent')
       and not exists (
         select 1 from want join batch on batch.id = want.batch_id
         where want.search_id = search.id and ${CAN_PAY_SQL})`,
    { after, limit },
  )
}
