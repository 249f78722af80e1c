import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Batch, BatchStore, CountedBatch, Milestone, NewBatch } from './batch.js'
import { type BatchRow, batchOf, CAP_SQL, capOf, standingBatches, unfinishedItems } from './batch-row.js'
import { payingBatches } from './budget.js'
import { build, type Connection } from './connection.js'
import { addRows } from './load-rows.js'
import { addNotification } from './notifications.js'
import { planOf } from './plan.js'

/** Rows removed in one transaction. Other processes must be able to write in between. */
const DROP_PIECE = 10_000

export function batchStore(connection: Connection): BatchStore {
  return {
    create: async (batch) => connection.write(() => create(connection, batch)),
    addRows: async (batchId, rows, now) => connection.write(() => addRows(connection, batchId, rows, now)),
    heartbeat: async (batchId, now) => {
      connection.write(() =>
        connection.run("update batch set heard_at = ? where id = ? and state = 'loading'", [now, batchId]),
      )
    },
    plan: async (batchId) => connection.read(() => planOf(connection, batchId)),
    release: async (batchId, caps, now) =>
      connection.write(
        () =>
          connection.run(
            `update batch set state = 'released', max_credits = @maxCredits, first = @first, raised = 0, release_notified_at = null,
               completed_at = case when pending = 0 then coalesce(completed_at, @now) end,
               through_at = case when charged >= coalesce(min(@maxCredits, @first), @maxCredits, @first) then @now end
             where id = @batchId and state in ('loading', 'released') and dropping = 0`,
            { ...caps, batchId, now },
          ).changes === 1,
      ),
    cancel: async (batchId, now) =>
      connection.write(
        () =>
          connection.run(
            `update batch set state = 'cancelled', completed_at = coalesce(completed_at, @now), announced_at = @now
             where id = @batchId and state = 'released' and (completed_at is null or dead > 0)`,
            { batchId, now },
          ).changes === 1,
      ),
    drop: (batchId) => drop(connection, batchId),
    dropAbandoned: async (heardBefore) => {
      const abandoned = connection.read(() =>
        connection.all<{ id: number }>(
          "select id from batch where state = 'loading' and (heard_at < ? or dropping = 1)",
          [heardBefore],
        ),
      )
      for (const { id } of abandoned) await drop(connection, id)
      return abandoned.length
    },
    find: async (idOrName) => connection.read(() => find(connection, idOrName)),
    takeMilestones: async (rules, keep) =>
      connection.write(() => {
        const milestones = takeMilestones(connection, rules)
        if (keep !== undefined) for (const one of milestones) addNotification(connection, keep(one), rules.now)
        return milestones
      }),
    dueAtMost: async () => connection.read(() => dueAtMost(connection)),
  }
}

function create(connection: Connection, batch: NewBatch): number {
  return connection.execute(
    build.insertInto('batch').values({
      name: batch.name,
      state: 'loading',
      priority: batch.priority,
      catalog_path: batch.catalogPath,
      format: batch.format,
      delimiter: batch.delimiter,
      byte_order_mark: Number(batch.byteOrderMark),
      quoting: batch.quoting ?? 'csv',
      preamble: batch.preamble ?? '',
      columns: JSON.stringify(batch.columns),
      template: batch.template,
      // A fractional number of days gives fractions of a millisecond.
      max_age_ms: batch.maxAgeMs === null ? null : Math.round(batch.maxAgeMs),
      max_credits: null,
      first: null,
      created_at: batch.createdAt,
      heard_at: batch.createdAt,
      completed_at: null,
      announced_at: null,
      through_at: null,
      release_notified_at: null,
      dead_letters_notified_at: null,
    }),
  ).id
}

/**
 * An id wins over a name: every hint prints ids (`wait 7`), and a later batch named "7" must not
 * take them over.
 */
function find(connection: Connection, idOrName: string | null): Batch | null {
  const latest = standingBatches().orderBy('id', 'desc').limit(1)
  const row: BatchRow | undefined =
    idOrName === null
      ? connection.first(latest)
      : ((/^\d{1,15}$/.test(idOrName) ? connection.first(latest.where('id', '=', Number(idOrName))) : undefined) ??
        connection.first(latest.where('name', '=', idOrName)))
  return row === undefined ? null : batchOf(row)
}

/** Fewer dead rows are no trend. */
const FEWEST_DEAD = 10

/** Each statement marks what it returns. */
const MILESTONES: Readonly<Record<Milestone['kind'], string>> = {
  released: `update batch set release_notified_at = @now where state = 'released' and release_notified_at is null`,
  many_dead: `update batch set dead_letters_notified_at = @now
    where state = 'released' and completed_at is null and dead_letters_notified_at is null and dead >= ${FEWEST_DEAD}
      and dead * 100 >= (tagged + no_match + dead) * @deadPercent`,
  budget_used: `update batch set through_at = @now
    where state = 'released' and pending > 0 and through_at is null and charged >= ${CAP_SQL}
      and not exists (select 1 from call indexed by call_open where call.outcome = 'sent' and call.batch_id = batch.id)`,
  done: `update batch set announced_at = @now
    where state = 'released' and completed_at is not null and announced_at is null`,
}

function takeMilestones(
  connection: Connection,
  rules: { readonly now: number; readonly deadPercent: number },
): readonly Milestone[] {
  const { now, deadPercent } = rules
  return (['released', 'many_dead', 'budget_used', 'done'] as const).flatMap((kind) =>
    connection
      .all<BatchRow>(`${MILESTONES[kind]} returning *`, kind === 'many_dead' ? { now, deadPercent } : { now })
      .map((row) => ({ kind, batch: counted(row) })),
  )
}

function counted(row: BatchRow): CountedBatch {
  const { items, tagged, no_match: noMatch, dead, invalid } = row
  return { batch: batchOf(row), items, tagged, noMatch, dead, invalid, unfinished: unfinishedItems(row) }
}

function dueAtMost(connection: Connection): { readonly searches: number; readonly batches: number } {
  const batches = payingBatches(connection)
  const payable = batches.map((row) => Math.min(row.pending, (capOf(row) ?? Number.POSITIVE_INFINITY) - row.charged))
  return { searches: payable.reduce((sum, searches) => sum + searches, 0), batches: batches.length }
}

/**
 * A large batch is removed in pieces, each in its own transaction, so that other processes do not
 * wait long for the file. It is marked first: a half-removed batch is never found or released
 * again, and after a crash the sweep continues.
 */
async function drop(connection: Connection, batchId: number): Promise<void> {
  const marked = connection.write(() =>
    connection.run("update batch set dropping = 1 where id = ? and state = 'loading'", [batchId]),
  )
  if (marked.changes === 0) return
  while (connection.write(() => dropPiece(connection, batchId))) await nextTurn()
}

/** False when the batch is gone. */
function dropPiece(connection: Connection, batchId: number): boolean {
  const items = connection.run(
    `delete from item where batch_id = @batchId and position in (
       select position from item where batch_id = @batchId order by position limit ${DROP_PIECE})`,
    { batchId },
  )
  if (items.changes > 0) return true
  const wanted = connection
    .all<{ search_id: number }>(
      `delete from want where batch_id = @batchId and search_id in (
         select search_id from want where batch_id = @batchId order by search_id limit ${DROP_PIECE}) returning search_id`,
      { batchId },
    )
    .map((row) => row.search_id)
  connection.run(
    `delete from search where id in (select value from json_each(?)) and state = 'waiting'
       and not exists (select 1 from want where want.search_id = search.id)
       and not exists (select 1 from call where call.search_id = search.id)`,
    [JSON.stringify(wanted)],
  )
  if (wanted.length > 0) return true
  connection.run('delete from batch where id = ? and dropping = 1', [batchId])
  return false
}
