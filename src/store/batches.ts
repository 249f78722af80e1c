import { formatRowCounts, pluralize } from '../domain/format.js'
import type { Notification } from '../domain/notification.js'
import type { LoadedRow } from '../domain/request.js'
import {
  type Batch,
  CAP_SQL,
  type Caps,
  capOf,
  creditsNeeded,
  IS_SCHEDULED_SQL,
  latestBatch,
  type StoredBatch,
  updateBatches,
  visibleBatch,
  visibleBatches,
} from './batch-row.js'
import { payingBatches } from './budget.js'
import { drop } from './drop-batches.js'
import type { Engine, Transaction } from './engine.js'
import { addRows } from './load-rows.js'
import { addNotification } from './notifications.js'
import type { Plan, RowChanges } from './plan.js'
import { compareRows, planOf } from './plan.js'
import { getOne, leastSql } from './sql.js'
import { type Actor, addEntry } from './timeline.js'

/** What a batch has only after its creation. */
type NotSetBySubmit = keyof Caps | 'id' | 'state' | 'charged' | 'refused' | 'completedAt' | 'notBefore' | 'deadline'

export interface NewBatch extends Omit<Batch, NotSetBySubmit> {
  /**
   * A search whose answer is older than this is made again (a new generation). Null: answers never
   * expire.
   */
  readonly maxAgeMs: number | null
}

export interface Milestone {
  readonly kind: 'released' | 'budget_used' | 'many_dead' | 'late' | 'done' | 'cancelled'
  readonly batch: StoredBatch
  /** If it is cancelled: the batch that took its place. Null: none did. */
  readonly continuedBy: number | null
}

export interface TakenMilestone extends Milestone {
  /** The id of its notification. Null: none was stored. */
  readonly notificationId: number | null
}

/** See `takeMilestones`. */
export interface MilestoneRules {
  readonly now: number
  readonly deadPercent: number
  /** The batches that will miss their deadline. */
  readonly willBeLate: readonly number[]
}

export interface BatchStore {
  create(batch: NewBatch): Promise<number>
  /** How many rows to add at once: more are faster, but other changes wait meanwhile. */
  readonly rowsPerChunk: number
  /**
   * Adds a chunk to a loading batch. Safe to repeat: the position of its first row says whether the
   * batch has it already. A row that repeats the id of an earlier valid row becomes
   * invalid ("line 3: repeated id …").
   */
  addRows(batchId: number, rows: readonly LoadedRow[], now: number): Promise<void>
  /** Reports that the loader is alive; see `dropAbandoned`. */
  heartbeat(batchId: number, now: number): Promise<void>
  plan(batchId: number): Promise<Plan>
  /** How the rows of `batchId` differ from those of an earlier batch. */
  compare(earlierId: number, batchId: number): Promise<RowChanges>
  /**
   * loading → released, or changes the caps of a released batch: withheld searches become due.
   * False when the batch is in another state.
   * The batch that it continues is cancelled in the same transaction, unless it is done, so that a crash leaves either
   * both as they were or one of them to pay.
   */
  release(batchId: number, caps: Caps, now: number): Promise<boolean>
  /**
   * released → cancelled. False in any other state, and for a finished batch, unless it has dead letters, since a retry
   * of one would make it due again. Searches that no other batch wants are not called any more; calls in flight finish.
   */
  cancel(batchId: number, now: number): Promise<boolean>
  /** Removes a loading batch, scheduled or not: its rows, and the searches that only it wanted. */
  drop(batchId: number): Promise<void>
  /** Drops loading batches that are not scheduled and whose loader has sent no heartbeat since then. Returns how many. */
  dropAbandoned(heardBefore: number): Promise<number>
  /**
   * By id ("12") or name: the latest of that name, a cancelled one only if there is no other. Null: the latest. An id
   * wins over a name that looks like one.
   */
  find(idOrName: string | null): Promise<Batch | null>
  /** All batches, the latest first. */
  list(): Promise<readonly Batch[]>
  /**
   * The ids of all batches with this name, the latest first. Cancelled and continued ones are left out, unless no other
   * has it.
   */
  idsOf(name: string): Promise<readonly number[]>
  /**
   * What happened to batches since the last call; each milestone is returned once.
   * - `released`: again after each release that changes the caps.
   * - `many_dead`: at least 10 rows, and at least `deadPercent` of the finished rows; once a batch.
   * - `budget_used`: the cap is reached, no call is in flight, and the batch still wants more; again only after a release
   *   that adds budget.
   * - `late`: its deadline has passed, also if it is done by now, or `willBeLate` names it; once a batch, and not after a `done`.
   * - `done`: again if it is done after a retry.
   * - `cancelled`: after its calls in flight have ended; not if `done` was returned and nothing was retried since.
   * @param keep makes the notification for each milestone, which is stored in the transaction that marks the batch
   */
  takeMilestones(
    rules: MilestoneRules,
    keep?: (milestone: Milestone) => Notification,
  ): Promise<readonly TakenMilestone[]>
  /**
   * An upper bound from the counters alone: how many searches are due, and for how many batches. A
   * search that several batches want is counted for each of them.
   */
  dueAtMost(): Promise<{ readonly searches: number; readonly batches: number }>
}

export function batchStore(
  { connection, loader, rowsPerChunk }: Pick<Engine, 'connection' | 'loader' | 'rowsPerChunk'>,
  actor: Actor,
): BatchStore {
  return {
    rowsPerChunk,
    create: (batch) => connection.write((tx) => create(tx, batch)),
    addRows: (batchId, rows, now) => loader.write((tx) => addRows(tx, batchId, rows, now)),
    heartbeat: async (batchId, now) => {
      const text = "update batch set heard_at = @now where id = @batchId and state = 'loading'"
      await connection.write((tx) => tx.run(text, { now, batchId }))
    },
    plan: (batchId) => connection.read((tx) => planOf(tx, batchId)),
    compare: (earlierId, batchId) => connection.read((tx) => compareRows(tx, earlierId, batchId)),
    release: (batchId, caps, now) => connection.write((tx) => release(tx, batchId, caps, { now, by: actor })),
    cancel: (batchId, now) => connection.write((tx) => cancel(tx, batchId, { now, by: actor })),
    drop: async (batchId) => {
      await drop(connection, 'id = @batchId', { batchId })
    },
    dropAbandoned: (heardBefore) =>
      drop(connection, `dropping = 1 or heard_at < @heardBefore and not (${IS_SCHEDULED_SQL})`, { heardBefore }),
    find: (idOrName) => connection.read((tx) => find(tx, idOrName)),
    list: () => connection.read((tx) => visibleBatches(tx, 'order by id desc')),
    idsOf: (name) => connection.read((tx) => idsOf(tx, name)),
    takeMilestones: (rules, keep) =>
      connection.write(async (tx) => {
        const taken: TakenMilestone[] = []
        for (const one of await takeMilestones(tx, rules)) {
          const notificationId = keep === undefined ? null : await addNotification(tx, keep(one), rules.now)
          taken.push({ ...one, notificationId })
        }
        return taken
      }),
    dueAtMost: () => connection.read(dueAtMost),
  }
}

async function create(tx: Transaction, batch: NewBatch): Promise<number> {
  const { id } = await getOne<{ id: number }>(
    tx,
    `insert into batch (name, state, priority, catalog_path, format, delimiter, byte_order_mark, quoting, preamble,
       columns, template, row_options, continues, max_age_ms, created_at, heard_at)
     values (@name, 'loading', @priority, @catalogPath, @format, @delimiter, @byteOrderMark, @quoting, @preamble,
       @columns, @template, @rowOptions, @continues, @maxAgeMs, @createdAt, @createdAt)
     returning id`,
    {
      ...batch,
      byteOrderMark: Number(batch.byteOrderMark),
      columns: JSON.stringify(batch.columns),
      rowOptions: JSON.stringify(batch.rowOptions),
      // A fractional number of days gives fractions of a millisecond.
      maxAgeMs: batch.maxAgeMs === null ? null : Math.round(batch.maxAgeMs),
    },
  )
  return id
}

/** When a change is made, and by whom; for the timeline. */
interface ChangeOrigin {
  readonly now: number
  readonly by: Actor
}

export async function release(tx: Transaction, batchId: number, caps: Caps, origin: ChangeOrigin): Promise<boolean> {
  const { now, by } = origin
  const before = await tx.get<BeforeRelease>(
    `select name, state, continues, items, pending, max_credits as "maxCredits", first from batch
     where id = @batchId and state in ('loading', 'released') and dropping = 0`,
    { batchId },
  )
  if (before === undefined) return false
  const isFirst = before.state === 'loading'
  const isChange = before.pending > 0 && (before.maxCredits !== caps.maxCredits || before.first !== caps.first)
  tx.send(
    `update batch set state = 'released', max_credits = @maxCredits, first = @first, raised = 0,
       completed_at = case when pending = 0 then coalesce(completed_at, @now) end,
       through_at = case when charged >= ${leastSql('cast(@maxCredits as bigint)', 'cast(@first as bigint) - refused')} then cast(@now as bigint) end
     where id = @batchId`,
    { ...caps, batchId, now },
  )
  if (isFirst || isChange) {
    tx.send('update batch set release_notified_at = null where id = @batchId', { batchId })
    const cap = capOf(caps)
    const limit = cap === null ? '' : `, at most ${pluralize(cap, 'call')}`
    const what = `Batch ${batchId} (${before.name}) was released: ${pluralize(before.items, 'row')}${limit}.`
    addEntry(tx, { at: now, kind: 'released', by, what })
  }
  if (isFirst && before.continues !== null) await cancel(tx, before.continues, origin, batchId)
  return true
}

type BeforeRelease = Pick<StoredBatch, 'name' | 'state' | 'continues' | 'items' | 'pending' | 'maxCredits' | 'first'>

/**
 * @param continuedBy the batch that takes its place; null: a person cancels it. Only a person cancels a batch that is done
 * but has dead letters.
 */
async function cancel(
  tx: Transaction,
  batchId: number,
  { now, by }: ChangeOrigin,
  continuedBy: number | null = null,
): Promise<boolean> {
  const cancelled = await tx.get<{ name: string }>(
    `update batch set state = 'cancelled', completed_at = coalesce(completed_at, @now), announced_at = @now,
       cancel_notified_at = case when announced_at is not null then cast(@now as bigint) end
     where id = @batchId and state = 'released' and (completed_at is null or dead > 0 and @isContinued = 0)
     returning name`,
    { batchId, now, isContinued: Number(continuedBy !== null) },
  )
  if (cancelled === undefined) return false
  const why = continuedBy === null ? '' : `: batch ${continuedBy} continues it`
  addEntry(tx, { at: now, kind: 'cancelled', by, what: `Batch ${batchId} (${cancelled.name}) was cancelled${why}.` })
  return true
}

/**
 * An id wins over a name: every hint prints ids (`wait 7`), and a later batch named "7" must not
 * take them over.
 */
async function find(tx: Transaction, idOrName: string | null): Promise<Batch | null> {
  if (idOrName === null) return (await latestBatch(tx)) ?? null
  const byId = /^\d{1,15}$/.test(idOrName) ? await visibleBatch(tx, Number(idOrName)) : undefined
  return byId ?? (await named(tx, idOrName))[0] ?? null
}

async function idsOf(tx: Transaction, name: string): Promise<readonly number[]> {
  return (await named(tx, name)).map(({ id }) => id)
}

/**
 * Cancelled, or continued by a batch that is released, or that is itself continued: the name has passed on. A person who
 * cancels the one that continues gives it back. One that will continue another at a later time does not have it yet.
 */
const WITHOUT_NAME = `state = 'cancelled' or state = 'loading' and continues is not null
  or exists (select 1 from batch later where later.continues = batch.id and (later.state = 'released'
    or later.state = 'cancelled'
      and exists (select 1 from batch last where last.continues = later.id and last.state <> 'loading')))`

/** The latest first. Those without the name only if no other batch has it, and then those cancelled last. */
async function named(tx: Transaction, name: string): Promise<StoredBatch[]> {
  const holders = await visibleBatches(tx, `and name = @name and not (${WITHOUT_NAME}) order by id desc`, { name })
  return holders.length > 0
    ? holders
    : visibleBatches(tx, "and name = @name order by state = 'cancelled', id desc", { name })
}

/** Fewer dead rows may be a coincidence. */
const FEWEST_DEAD = 10

const NOTHING_IN_FLIGHT_SQL =
  "not exists (select 1 from call $by(call_open) where call.outcome = 'sent' and call.batch_id = batch.id)"

/** In the order of their notifications. Each statement marks the batches that it returns. */
const MILESTONES: readonly { readonly kind: Milestone['kind']; readonly text: string }[] = [
  {
    kind: 'released',
    text: `update batch set release_notified_at = @now
      where release_notified_at is null and (state = 'released' or state = 'cancelled' and cancel_notified_at is null)`,
  },
  {
    kind: 'many_dead',
    text: `update batch set dead_letters_notified_at = @now
      where state = 'released' and announced_at is null and dead_letters_notified_at is null and dead >= ${FEWEST_DEAD}
        and dead * 100 >= (tagged + no_match + dead) * cast(@deadPercent as real)`,
  },
  {
    kind: 'budget_used',
    text: `update batch set through_at = @now
      where state = 'released' and pending > 0 and through_at is null and charged >= ${CAP_SQL}
        and ${NOTHING_IN_FLIGHT_SQL}`,
  },
  {
    kind: 'late',
    text: `update batch set late_notified_at = @now
      where state = 'released' and announced_at is null and late_notified_at is null
        and (completed_at is null and $among(id, @willBeLate)
          or (select deadline from schedule where batch_id = batch.id) < coalesce(completed_at, @now))`,
  },
  {
    kind: 'done',
    text: `update batch set announced_at = @now, late_notified_at = coalesce(late_notified_at, @now)
      where state = 'released' and completed_at is not null and announced_at is null`,
  },
  {
    kind: 'cancelled',
    text: `update batch set cancel_notified_at = @now
      where state = 'cancelled' and cancel_notified_at is null and ${NOTHING_IN_FLIGHT_SQL}`,
  },
]

async function takeMilestones(tx: Transaction, rules: MilestoneRules): Promise<readonly Milestone[]> {
  const taken: Milestone[] = []
  for (const { kind, text } of MILESTONES) {
    const batches = await updateBatches(tx, text, { ...rules })
    // The order of `returning` is the engine's.
    for (const batch of batches.toSorted((a, b) => a.id - b.id)) {
      const continuedBy = kind === 'cancelled' ? await continuationOf(tx, batch.id) : null
      taken.push({ kind, batch, continuedBy })
      if (kind === 'done') noteDone(tx, batch, rules.now)
    }
  }
  return taken
}

async function continuationOf(tx: Transaction, continues: number): Promise<number | null> {
  const text = "select id from batch where continues = @continues and state <> 'loading' order by id limit 1"
  return (await tx.get<{ id: number }>(text, { continues }))?.id ?? null
}

function noteDone(tx: Transaction, batch: StoredBatch, now: number): void {
  const what = `Batch ${batch.id} (${batch.name}) is done: ${formatRowCounts(batch.items, batch)}.`
  addEntry(tx, { at: batch.completedAt ?? now, kind: 'completed', by: 'worker', what })
}

async function dueAtMost(tx: Transaction): Promise<{ readonly searches: number; readonly batches: number }> {
  const batches = await payingBatches(tx)
  const searches = batches.reduce((sum, batch) => sum + creditsNeeded(batch), 0)
  return { searches, batches: batches.length }
}
