import type { Filters } from '../domain/request.js'
import type { BatchState, Priority } from '../domain/states.js'
import type { Queries, SqlParameters } from './engine.js'
import { leastSql } from './sql.js'

export interface Batch {
  readonly id: number
  readonly name: string
  readonly state: BatchState
  readonly priority: Priority
  readonly catalogPath: string | null
  readonly format: 'csv' | 'jsonl'
  readonly delimiter: string | null
  readonly byteOrderMark: boolean
  readonly quoting: 'csv' | 'none'
  readonly preamble: string
  readonly columns: readonly string[]
  readonly template: string | null
  readonly rowOptions: RowOptions
  /** The batch whose place it takes when it is released. */
  readonly continues: number | null
  /** `--max-credits`: the maximum number of calls charged to it. Null: no cap. */
  readonly maxCredits: number | null
  /** `--first`: the maximum number of calls before the next `release`. Null: no such limit. */
  readonly first: number | null
  /** Calls charged to it: paid, possibly paid, and in flight. */
  readonly charged: number
  readonly createdAt: number
  /** When the last search that it wants got its outcome, or when it was cancelled. Null before. */
  readonly completedAt: number | null
  /** A loading batch is released then. Null: at once. */
  readonly notBefore: number | null
  /** When it should be done. Null: no deadline. */
  readonly deadline: number | null
}

/** How rows become searches, beside the template: the defaults of a batch that continues this one. */
export interface RowOptions {
  /** The column or property with the user's own id. */
  readonly id?: string | undefined
  readonly limit?: number | undefined
  readonly filters?: Filters | undefined
}

/** What is read of a row of `batch`; `migrations.ts` has all columns. Instants are epoch milliseconds. */
export interface BatchRow {
  readonly id: number
  readonly name: string
  readonly state: BatchState
  readonly priority: Priority
  readonly catalog_path: string | null
  readonly format: 'csv' | 'jsonl'
  readonly delimiter: string | null
  readonly byte_order_mark: number
  /** `none`: a quotation mark in a cell is an ordinary character. */
  readonly quoting: 'csv' | 'none'
  /** The lines before the header, each with a trailing LF. */
  readonly preamble: string
  /** JSON array. */
  readonly columns: string
  readonly template: string | null
  /** JSON object; null: none were given. */
  readonly row_options: string | null
  readonly continues: number | null
  readonly max_credits: number | null
  readonly first: number | null
  readonly created_at: number
  readonly completed_at: number | null
  /** Low-water mark: no search below this id is waiting for this batch, so the feeder starts here. */
  readonly fed_to: number
  /** 1: everything it wants that is queued has at least its priority. Each release resets it. */
  readonly raised: number
  /** Calls charged to it. */
  readonly charged: number
  /** Searches that it wants and that have no outcome. The other counters count rows. */
  readonly pending: number
  readonly items: number
  readonly invalid: number
  readonly tagged: number
  readonly no_match: number
  readonly dead: number
  /** Of its schedule, as is `deadline`. */
  readonly not_before: number | null
  readonly deadline: number | null
}

const NOT_BEFORE_SQL = '(select not_before from schedule where batch_id = batch.id)'

const READ: Record<keyof BatchRow, string> = {
  id: 'id',
  name: 'name',
  state: 'state',
  priority: 'priority',
  catalog_path: 'catalog_path',
  format: 'format',
  delimiter: 'delimiter',
  byte_order_mark: 'byte_order_mark',
  quoting: 'quoting',
  preamble: 'preamble',
  columns: 'columns',
  template: 'template',
  row_options: 'row_options',
  continues: 'continues',
  max_credits: 'max_credits',
  first: 'first',
  created_at: 'created_at',
  completed_at: 'completed_at',
  fed_to: 'fed_to',
  raised: 'raised',
  charged: 'charged',
  pending: 'pending',
  items: 'items',
  invalid: 'invalid',
  tagged: 'tagged',
  no_match: 'no_match',
  dead: 'dead',
  not_before: `${NOT_BEFORE_SQL} as not_before`,
  deadline: '(select deadline from schedule where batch_id = batch.id) as deadline',
}

/**
 * Named, here and wherever rows are read: a program of the next version may add columns while this one
 * runs, and PostgreSQL refuses a prepared `select *` from then on.
 */
export const BATCH_COLUMNS = Object.values(READ).join(', ')

/**
 * Batches that users see: not one that is being removed.
 * @param rest what follows `where dropping = 0`
 */
export function visibleBatches(tx: Queries, rest: string, parameters?: SqlParameters): Promise<BatchRow[]> {
  return tx.all<BatchRow>(`select ${BATCH_COLUMNS} from batch where dropping = 0 ${rest}`, parameters)
}

export async function visibleBatch(tx: Queries, id: number): Promise<BatchRow | undefined> {
  return tx.get<BatchRow>(`select ${BATCH_COLUMNS} from batch where dropping = 0 and id = @id`, { id })
}

export function batchOf(row: BatchRow): Batch {
  return {
    id: row.id,
    name: row.name,
    state: row.state,
    priority: row.priority,
    catalogPath: row.catalog_path,
    format: row.format,
    delimiter: row.delimiter,
    byteOrderMark: row.byte_order_mark === 1,
    quoting: row.quoting,
    preamble: row.preamble,
    template: row.template,
    columns: JSON.parse(row.columns) as string[],
    rowOptions: JSON.parse(row.row_options ?? '{}') as RowOptions,
    continues: row.continues,
    maxCredits: row.max_credits,
    first: row.first,
    charged: row.charged,
    createdAt: row.created_at,
    completedAt: row.completed_at,
    notBefore: row.not_before,
    deadline: row.deadline,
  }
}

/** Rows without an outcome. */
export function unfinishedRows(row: BatchRow): number {
  return row.items - row.invalid - row.tagged - row.no_match - row.dead
}

/** The maximum number of calls charged to it. Null: no cap. */
export function capOf(batch: Pick<BatchRow, 'max_credits' | 'first'>): number | null {
  return lowestCap(batch.max_credits, batch.first)
}

/** Null: no cap. */
export function lowestCap(one: number | null, other: number | null): number | null {
  return one === null || other === null ? (one ?? other) : Math.min(one, other)
}

/** Calls that it may still be charged with. A search that several batches want counts for each. */
export function creditsNeeded(batch: BatchRow): number {
  if (batch.state !== 'released') return 0
  return Math.min(batch.pending, Math.max(0, (capOf(batch) ?? Number.POSITIVE_INFINITY) - batch.charged))
}

/** `capOf` in SQL, for a table or alias named `batch`. */
export const CAP_SQL = leastSql('batch.max_credits', 'batch.first')

/** Whether a loading batch only waits for its time: its submit has ended, so it has no heartbeat. */
export const IS_SCHEDULED_SQL = `${NOT_BEFORE_SQL} is not null`

/** Whether a batch may be charged with another call. */
export const CAN_PAY_SQL = `batch.state = 'released' and (${CAP_SQL} is null or batch.charged < ${CAP_SQL})`
