import type { CallOutcome } from '../domain/outcome.js'
import type { PauseCause } from '../domain/pause.js'
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
  /** What stopped all calls at some time in this minute. */
  readonly stopped: StopCause | null
  /** Figures of the requested batch. Null: none was requested, or it was not running. */
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

export interface ActivityStore {
  /** Records this minute, replacing an earlier sample of it. Drops those older than `keepMs`. */
  sample(
    now: number,
    facts: { readonly limitPerMinute: number | null; readonly stopped: StopCause | null },
    keepMs: number,
  ): Promise<void>
  /**
   * The last sample of each `everyMinutes` from `from` on, and the last one before them. Oldest
   * first. `stopped` is that of any minute of its span. `batchId`: with the figures of this batch.
   */
  samples(from: number, everyMinutes: number, batchId?: number): Promise<readonly Sample[]>
}

const MINUTE_MS = 60_000

export function activityStore(connection: Connection, reader: Connection): ActivityStore {
  return {
    sample: async (now, { limitPerMinute, stopped }, keepMs) => {
      const minute = Math.floor(now / MINUTE_MS)
      await connection.write(async (tx) => {
        const running = await tx.all<{ id: number; done: number; charged: number }>(RUNNING, {
          since: now - 2 * MINUTE_MS,
        })
        const batches = JSON.stringify(
          Object.fromEntries(running.map(({ id, done, charged }) => [id, [done, charged]])),
        )
        await tx.run(RECORD, { minute, limitPerMinute, stopped, batches })
        await tx.run('delete from sample where minute < @before', { before: Math.floor((now - keepMs) / MINUTE_MS) })
      })
    },
    samples: (from, everyMinutes, batchId) => reader.read((tx) => samples(tx, from, everyMinutes, batchId)),
  }
}

const counted = (outcome: EndedOutcome): string =>
  `coalesce((select calls from call_count where outcome = '${outcome}'), 0)`

/** Rows with an outcome, invalid ones included. */
const DONE = 'invalid + tagged + no_match + dead'

/** Batches that are not done, or have ended since the last sample. Of hundreds, the latest. */
const RUNNING = `select id, ${DONE} as done, charged from batch
  where dropping = 0 and state = 'released' and (completed_at is null or completed_at >= @since)
  order by id desc limit 50`

/** Counters only: no call and no row is read. A stop in any part of the minute is kept. */
const RECORD = `insert into sample
  (minute, credits, limit_per_minute, rows, rows_done, stopped, batches, ${ENDED_OUTCOMES.join(', ')})
  select cast(@minute as bigint), (select credits_remaining from account), cast(@limitPerMinute as real),
    cast(coalesce(sum(items), 0) as bigint), cast(coalesce(sum(${DONE}), 0) as bigint),
    cast(@stopped as text), cast(@batches as text),
    ${ENDED_OUTCOMES.map(counted).join(', ')}
  from batch where dropping = 0
  on conflict (minute) do update set
    credits = excluded.credits, limit_per_minute = excluded.limit_per_minute, rows = excluded.rows,
    rows_done = excluded.rows_done, stopped = coalesce(excluded.stopped, sample.stopped), batches = excluded.batches,
    ${ENDED_OUTCOMES.map((outcome) => `${outcome} = excluded.${outcome}`).join(', ')}`

type SampleRow = Readonly<Record<EndedOutcome, number>> & {
  readonly minute: number
  readonly credits: number | null
  readonly limit_per_minute: number | null
  readonly rows: number
  readonly rows_done: number
  readonly stopped: StopCause | null
  /** JSON: rows done and calls charged by batch. Null: of an earlier version. */
  readonly batches: string | null
}

const READ = ['minute', 'credits', 'limit_per_minute', 'rows', 'rows_done', 'batches', ...ENDED_OUTCOMES]
  .map((column) => `sample.${column}`)
  .join(', ')

async function samples(
  tx: Queries,
  from: number,
  everyMinutes: number,
  batchId: number | undefined,
): Promise<readonly Sample[]> {
  const first = Math.floor(from / MINUTE_MS)
  const [before] = await tx.all<SampleRow>(
    `select ${READ}, stopped from sample where minute < @first order by minute desc limit 1`,
    {
      first,
    },
  )
  const rows = await tx.all<SampleRow>(
    `select ${READ}, last.any_stopped as stopped
     from (select max(minute) as minute, max(stopped) as any_stopped
       from sample where minute >= @first group by minute / ${Math.trunc(everyMinutes)}) as last
     join sample on sample.minute = last.minute order by sample.minute`,
    { first },
  )
  return (before === undefined ? rows : [before, ...rows]).map((row) => sampleOf(row, batchId))
}

function sampleOf(row: SampleRow, batchId: number | undefined): Sample {
  const { minute, credits, limit_per_minute, rows, rows_done, stopped, batches, ...calls } = row
  const batch = batchId === undefined ? null : batchOf(batches, batchId)
  return { minute, credits, limitPerMinute: limit_per_minute, rows, rowsDone: rows_done, calls, stopped, batch }
}

function batchOf(batches: string | null, id: number): Sample['batch'] {
  const figures = (JSON.parse(batches ?? '{}') as Readonly<Record<string, readonly [number, number]>>)[id]
  return figures === undefined ? null : { rowsDone: figures[0], charged: figures[1] }
}
