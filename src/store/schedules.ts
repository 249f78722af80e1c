import type { Caps } from './batch-row.js'
import { release } from './batches.js'
import type { Connection, Transaction } from './engine.js'

/** When a batch may begin and when it should be done. Epoch milliseconds. */
export interface BatchSchedule {
  readonly batchId: number
  /** Null: it was released at once. */
  readonly notBefore: number | null
  /** Null: none. */
  readonly deadline: number | null
}

export interface BatchDeadline {
  readonly batchId: number
  readonly deadline: number
}

export interface ScheduleStore {
  /**
   * For a loading batch. With `notBefore`, `releaseDue` releases it within these caps, and until then it does not count as abandoned. False:
   * it is not loading any more.
   */
  set(schedule: BatchSchedule, caps: Caps): Promise<boolean>
  /** Deadlines after `now` of released batches that are not done and were not notified as late. */
  deadlinesAhead(now: number): Promise<readonly BatchDeadline[]>
  /** loading → released, for each batch whose time has come. Returns their ids. */
  releaseDue(now: number): Promise<readonly number[]>
}

export function scheduleStore(connection: Connection): ScheduleStore {
  return {
    set: (schedule, caps) => connection.write((tx) => set(tx, schedule, caps)),
    deadlinesAhead: (now) =>
      connection.read((tx) =>
        tx.all<BatchDeadline>(
          `select schedule.batch_id as "batchId", schedule.deadline
           from schedule join batch on batch.id = schedule.batch_id
           where schedule.deadline > @now and batch.state = 'released' and batch.completed_at is null
             and batch.late_notified_at is null`,
          { now },
        ),
      ),
    releaseDue: (now) => connection.write((tx) => releaseDue(tx, now)),
  }
}

async function set(tx: Transaction, { batchId, notBefore, deadline }: BatchSchedule, caps: Caps): Promise<boolean> {
  const loading = await tx.run(
    `update batch set max_credits = @maxCredits, first = @first
     where id = @batchId and state = 'loading' and dropping = 0`,
    { ...caps, batchId },
  )
  if (loading === 0) return false
  await tx.run(
    `insert into schedule (batch_id, not_before, deadline) values (@batchId, @notBefore, @deadline)
     on conflict (batch_id) do update set not_before = excluded.not_before, deadline = excluded.deadline`,
    { batchId, notBefore, deadline },
  )
  return true
}

async function releaseDue(tx: Transaction, now: number): Promise<readonly number[]> {
  const due = await tx.all<Caps & { readonly id: number }>(
    `select batch.id, batch.max_credits as "maxCredits", batch.first from schedule join batch on batch.id = schedule.batch_id
     where schedule.not_before <= @now and batch.state = 'loading' and batch.dropping = 0`,
    { now },
  )
  const released: number[] = []
  for (const { id, ...caps } of due) if (await release(tx, id, caps, { now, by: 'worker' })) released.push(id)
  return released
}
