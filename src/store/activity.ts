import type { CallOutcome } from '../domain/outcome.js'
import type { PauseCause } from '../domain/pause.js'
import { UNFINISHED_FIRST_SQL } from './budget.js'
import type { Connection, Queries } from './engine.js'

/**
 * One sample a minute of what the store counts anyway. A chart of a week reads a few hundred samples
 * instead of every call. Counters only rise; a chart shows their differences.
 */
export interface Sample {
  /** Minutes since 1970. */
  readonly minute: number
  /** Null: not known. */
  readonly credits: number | null
  readonly limitPerMinute: number | null
  readonly rows: number
  /** Rows with an outcome, invalid ones included. */
  readonly rowsDone: number
  /** Calls that ended so far, by outcome. */
  readonly calls: Readonly<Record<EndedOutcome, number>>
  /** Figures of the requested batch. Null: none was requested, it had not begun, or it had ended a day before. */
  readonly batch: { readonly rowsDone: number; readonly charged: number } | null
}

export const ENDED_OUTCOMES = [
  'answered',
  'unreadable',
  'unknown',
  'rate_limited',
  'out_of_credits',
  'unauthorized',
  'refused',
  'transient',
] as const satisfies readonly CallOutcome[]
export type EndedOutcome = (typeof ENDED_OUTCOMES)[number]
export type StopCause = PauseCause | 'rate_limit'

/** Minutes in which this stopped all calls at some time. */
export interface Stop {
  readonly cause: StopCause
  /** The first of them, in minutes since 1970. */
  readonly minute: number
  readonly minutes: number
}

export interface Activity {
  /** Oldest first. The differences between them are what happened. */
  readonly samples: readonly Sample[]
  /** What stopped calls, grouped into intervals of `everyMinutes` and by cause, oldest first. */
  readonly stops: readonly Stop[]
}

export interface ActivityStore {
  /**
   * Records this minute, replacing an earlier sample of it. A sample without one of the minute before, when a worker
   * starts, also counts as that one: charts count from it. Drops those older than `keepMs`.
   */
  sample(
    now: number,
    facts: { readonly limitPerMinute: number | null; readonly stopped: StopCause | null },
    keepMs: number,
  ): Promise<void>
  /**
   * The last sample before `from`, then the first one, the first after each gap, and the last of each `everyMinutes`.
   * And how things are now, if that is before `to`.
   */
  read(which: ActivityQuery): Promise<Activity>
}

export interface ActivityQuery {
  /** Epoch milliseconds, as are `to` and `now`. */
  readonly from: number
  readonly to: number
  readonly everyMinutes: number
  readonly now: number
  /** With the figures of this batch. */
  readonly batchId?: number | undefined
}

const MINUTE_MS = 60_000
/** Longer than any span of a chart: its last sample has the final figures. */
const KEPT_AFTER_END_MS = 25 * 60 * MINUTE_MS

export function activityStore(connection: Connection, reader: Connection): ActivityStore {
  return {
    sample: async (now, { limitPerMinute, stopped }, keepMs) => {
      const minute = minuteOf(now)
      await connection.write(async (tx) => {
        const facts = { limitPerMinute, stopped, batches: await runningBatches(tx, now) }
        const latest = await tx.get('select 1 from sample where minute >= @since limit 1', { since: minute - 1 })
        if (latest === undefined) await tx.run(RECORD, { ...facts, stopped: null, minute: minute - 1 })
        await tx.run(RECORD, { ...facts, minute })
        await tx.run('delete from sample where minute < @before', { before: minuteOf(now - keepMs) })
      })
    },
    read: (which) => reader.read((tx) => readActivity(tx, which)),
  }
}

const counted = (outcome: EndedOutcome): string =>
  `coalesce((select calls from call_count where outcome = '${outcome}'), 0)`

/** Rows with an outcome, invalid ones included. */
const DONE = 'invalid + tagged + no_match + dead'

/** Batches that are not done, or have ended since then. Of hundreds, those that run first. */
const RUNNING = `select id, ${DONE} as done, charged from batch
  where dropping = 0 and state = 'released' and (completed_at is null or completed_at >= @since)
  order by ${UNFINISHED_FIRST_SQL} limit 50`

async function runningBatches(tx: Queries, now: number): Promise<string> {
  const running = await tx.all<{ id: number; done: number; charged: number }>(RUNNING, {
    since: now - KEPT_AFTER_END_MS,
  })
  return JSON.stringify(Object.fromEntries(running.map(({ id, done, charged }) => [id, [done, charged]])))
}

/** Counters only: no call and no row is read. */
const NOW = `select cast(@minute as bigint) as minute, (select credits_remaining from account) as credits,
    cast(@limitPerMinute as real) as "limitPerMinute",
    cast(coalesce(sum(items), 0) as bigint) as rows, cast(coalesce(sum(${DONE}), 0) as bigint) as "rowsDone",
    cast(@stopped as text) as stopped, cast(@batches as text) as batches,
    ${ENDED_OUTCOMES.map((outcome) => `${counted(outcome)} as ${outcome}`).join(', ')}
  from batch where dropping = 0`

/** A stop in any part of the minute is kept. */
const RECORD = `insert into sample
  (minute, credits, limit_per_minute, rows, rows_done, stopped, batches, ${ENDED_OUTCOMES.join(', ')})
  ${NOW}
  on conflict (minute) do update set
    credits = excluded.credits, limit_per_minute = excluded.limit_per_minute, rows = excluded.rows,
    rows_done = excluded.rows_done, stopped = coalesce(excluded.stopped, sample.stopped), batches = excluded.batches,
    ${ENDED_OUTCOMES.map((outcome) => `${outcome} = excluded.${outcome}`).join(', ')}`

type SampleRow = Omit<Sample, 'calls' | 'batch'> &
  Sample['calls'] & {
    /** JSON: rows done and calls charged by batch. Null: of an earlier version. */
    readonly batches: string | null
  }

const READ = `sample.minute, sample.credits, sample.limit_per_minute as "limitPerMinute", sample.rows,
  sample.rows_done as "rowsDone", sample.batches, ${ENDED_OUTCOMES.map((outcome) => `sample.${outcome}`).join(', ')}`

async function readActivity(tx: Queries, query: ActivityQuery): Promise<Activity> {
  const { now, batchId } = query
  const every = Math.trunc(query.everyMinutes)
  const span = { first: minuteOf(query.from), end: Math.ceil(query.to / MINUTE_MS) }
  const before = await tx.all<SampleRow>(
    `select ${READ} from sample where minute < @first order by minute desc limit 1`,
    { first: span.first },
  )
  const within = await tx.all<SampleRow>(
    `select ${READ}
     from (
       select minute, lag(minute) over (order by minute) as previous, lead(minute) over (order by minute) as next
       from sample where minute >= @first and minute < @end
     ) as around
     join sample on sample.minute = around.minute
     where previous is null or previous < around.minute - 1 or next is null or next / ${every} > around.minute / ${every}
     order by sample.minute`,
    span,
  )
  const stops = await tx.all<Stop>(
    `select stopped as cause, min(minute) as minute, count(*) as minutes
     from sample where minute >= @first and minute < @end and stopped is not null
     group by minute / ${every}, stopped order by min(minute)`,
    span,
  )
  const rows = [...before, ...within]
  const last = rows.at(-1)
  if (last !== undefined && minuteOf(now) < span.end) {
    const live = await tx.get<SampleRow>(NOW, {
      minute: minuteOf(now),
      limitPerMinute: null,
      stopped: null,
      batches: await runningBatches(tx, now),
    })
    // What was counted since the sample of this minute belongs to it.
    if (last.minute === minuteOf(now)) rows.pop()
    if (live !== undefined)
      rows.push(last.minute === live.minute ? { ...live, limitPerMinute: last.limitPerMinute } : live)
  }
  return { samples: rows.map((row) => sampleOf(row, batchId)), stops }
}

function minuteOf(ms: number): number {
  return Math.floor(ms / MINUTE_MS)
}

function sampleOf(row: SampleRow, batchId: number | undefined): Sample {
  const { minute, credits, limitPerMinute, rows, rowsDone, batches } = row
  const calls = Object.fromEntries(ENDED_OUTCOMES.map((outcome) => [outcome, row[outcome]])) as Sample['calls']
  const batch = batchId === undefined ? null : batchOf(batches, batchId)
  return { minute, credits, limitPerMinute, rows, rowsDone, calls, batch }
}

function batchOf(batches: string | null, id: number): Sample['batch'] {
  const figures = (JSON.parse(batches ?? '{}') as Readonly<Record<string, readonly [number, number]>>)[id]
  return figures === undefined ? null : { rowsDone: figures[0], charged: figures[1] }
}
