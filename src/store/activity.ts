import type { CallOutcome } from '../domain/outcome.js'
import type { PauseCause } from '../domain/pause.js'
import type { Connection, Queries } from './connection.js'

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
   * first. `stopped` is that of any minute of its span.
   */
  samples(from: number, everyMinutes: number): Promise<readonly Sample[]>
}

const MINUTE_MS = 60_000

export function activityStore(connection: Connection, reader: Connection): ActivityStore {
  return {
    sample: async (now, { limitPerMinute, stopped }, keepMs) => {
      const minute = Math.floor(now / MINUTE_MS)
      await connection.write(async (tx) => {
        await tx.run(RECORD, { minute, limitPerMinute, stopped })
        await tx.run('delete from sample where minute < @before', { before: Math.floor((now - keepMs) / MINUTE_MS) })
      })
    },
    samples: (from, everyMinutes) => reader.read((tx) => samples(tx, from, everyMinutes)),
  }
}

const counted = (outcome: EndedOutcome): string =>
  `coalesce((select calls from call_count where outcome = '${outcome}'), 0)`

/** Counters only: no call and no row is read. A stop in any part of the minute is kept. */
const RECORD = `insert into sample
  (minute, credits, limit_per_minute, rows, rows_done, stopped, ${ENDED_OUTCOMES.join(', ')})
  select cast(@minute as bigint), (select credits_remaining from account), cast(@limitPerMinute as real),
    cast(coalesce(sum(items), 0) as bigint), cast(coalesce(sum(invalid + tagged + no_match + dead), 0) as bigint),
    cast(@stopped as text),
    ${ENDED_OUTCOMES.map(counted).join(', ')}
  from batch where dropping = 0
  on conflict (minute) do update set
    credits = excluded.credits, limit_per_minute = excluded.limit_per_minute, rows = excluded.rows,
    rows_done = excluded.rows_done, stopped = coalesce(excluded.stopped, sample.stopped),
    ${ENDED_OUTCOMES.map((outcome) => `${outcome} = excluded.${outcome}`).join(', ')}`

type SampleRow = Readonly<Record<EndedOutcome, number>> & {
  readonly minute: number
  readonly credits: number | null
  readonly limit_per_minute: number | null
  readonly rows: number
  readonly rows_done: number
  readonly stopped: StopCause | null
}

async function samples(tx: Queries, from: number, everyMinutes: number): Promise<readonly Sample[]> {
  const first = Math.floor(from / MINUTE_MS)
  const [before] = await tx.all<SampleRow>('select * from sample where minute < @first order by minute desc limit 1', {
    first,
  })
  const rows = await tx.all<SampleRow>(
    `select sample.*, last.any_stopped as stopped
     from (select max(minute) as minute, max(stopped) as any_stopped
       from sample where minute >= @first group by minute / ${Math.trunc(everyMinutes)}) as last
     join sample on sample.minute = last.minute order by sample.minute`,
    { first },
  )
  return (before === undefined ? rows : [before, ...rows]).map(sampleOf)
}

function sampleOf(row: SampleRow): Sample {
  const { minute, credits, limit_per_minute, rows, rows_done, stopped, ...calls } = row
  return { minute, credits, limitPerMinute: limit_per_minute, rows, rowsDone: rows_done, calls, stopped }
}
