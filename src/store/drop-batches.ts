import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Connection, SqlParameters, Transaction } from './engine.js'

/** Rows removed in one transaction. Other processes must be able to write in between. */
const DROP_PIECE = 10_000

/**
 * Removes the loading batches that match. Returns how many. A large batch is removed in pieces, each
 * in its own transaction, so that other processes do not wait long. It is marked first: a half-removed
 * batch is never found or released again, and after a crash the sweep continues.
 */
export async function drop(connection: Connection, condition: string, parameters: SqlParameters): Promise<number> {
  const marked = await connection.write((tx) =>
    tx.all<{ id: number }>(
      `update batch set dropping = 1 where state = 'loading' and (${condition}) returning id`,
      parameters,
    ),
  )
  for (const { id } of marked) {
    await inPieces((from) => connection.write((tx) => dropItems(tx, id, from)))
    await inPieces((from) => connection.write((tx) => dropWanted(tx, id, from)))
    await connection.write(async (tx) => {
      await tx.run('delete from schedule where batch_id = @id', { id })
      await tx.run('delete from batch where id = @id and dropping = 1', { id })
    })
  }
  return marked.length
}

/** @param piece removes what comes first from a key on. Returns from where to go on; null: nothing was left. */
async function inPieces(piece: (from: number) => Promise<number | null>): Promise<void> {
  for (let from: number | null = await piece(0); from !== null; from = await piece(from)) await nextTurn()
}

/**
 * The next range of keys, which has at most `DROP_PIECE` rows. Not a list of keys: by the statistics of before a large
 * batch was loaded, PostgreSQL expects one row of it, and would read the list again for each. `min` would read all that is
 * left. Null: nothing is.
 */
async function nextPiece(tx: Transaction, table: 'item' | 'want', batchId: number, from: number) {
  const key = table === 'item' ? 'position' : 'search_id'
  const row = await tx.get<{ first: number }>(
    `select ${key} as first from ${table} where batch_id = @batchId and ${key} >= @from order by ${key} limit 1`,
    { batchId, from },
  )
  return row === undefined ? null : { batchId, first: row.first, end: row.first + DROP_PIECE }
}

async function dropItems(tx: Transaction, batchId: number, from: number): Promise<number | null> {
  const piece = await nextPiece(tx, 'item', batchId, from)
  if (piece === null) return null
  await tx.run('delete from item where batch_id = @batchId and position >= @first and position < @end', piece)
  return piece.end
}

async function dropWanted(tx: Transaction, batchId: number, from: number): Promise<number | null> {
  const piece = await nextPiece(tx, 'want', batchId, from)
  if (piece === null) return null
  const wanted = await tx.all<{ search_id: number }>(
    `delete from want where batch_id = @batchId and search_id >= @first and search_id < @end returning search_id`,
    piece,
  )
  await tx.run(
    `delete from search where $among(id, @ids) and state = 'waiting'
       and not exists (select 1 from want where want.search_id = search.id)
       and not exists (select 1 from call where call.search_id = search.id)`,
    { ids: wanted.map((row) => row.search_id) },
  )
  return piece.end
}
