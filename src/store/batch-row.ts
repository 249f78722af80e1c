import type { Filters } from '../domain/request.js'
import type { BatchState, Priority } from '../domain/states.js'
import type { Queries, SqlParameters } from './engine.js'
import { leastSql } from './sql.js'

/** Instants are epoch milliseconds. */
export interface Batch {
  readonly id: number
  readonly name: string
  readonly state: BatchState
  readonly priority: Priority
  /** The path it was read from. Null: stdin, or a script. */
  readonly catalogPath: string | null
  readonly format: 'csv' | 'jsonl'
  /** The separator between cells, for CSV. */
  readonly delimiter: string | null
  /** An export begins with one. */
  readonly byteOrderMark: boolean
  /** `none`: a quotation mark in a cell is an ordinary character. */
  readonly quoting: 'csv' | 'none'
  /** The lines before the header, each with a trailing LF, repeated at the start of an export. */
  readonly preamble: string
  /** The input's columns in order; empty for JSONL. */
  readonly columns: readonly string[]
  readonly template: string | null
  readonly rowOptions: RowOptions
  /** The batch whose place it takes when it is released. */
  readonly continues: number | null
  /** `--max-credits`: the maximum number of calls charged to it. Null: no cap. */
  readonly maxCredits: number | null
  /** `--first`: the maximum number of searches before the next `release`. Null: no such limit. */
  readonly first: number | null
  /** Calls charged to it: paid, possibly paid, and in flight. */
  readonly charged: number
  /** Searches that a call charged to it found refused, which costs nothing. They use up `first`, else a bad template would not. */
  readonly refused: number
  readonly createdAt: number
  /** When the last search that it wants got its outcome, or when it was cancelled. Null before. */
  readonly completedAt: number | null
  /** A loading batch is released then. Null: at once. */
  readonly notBefore: number | null
  /** When it should be done. Null: no deadline. */
  readonly deadline: number | null
}

export type Caps = Pick<Batch, 'maxCredits' | 'first'>

/** How rows become searches, beside the template: the defaults of a batch that continues this one. */
export interface RowOptions {
  /** The column or property with the user's own id. */
  readonly id?: string | undefined
  readonly limit?: number | undefined
  readonly filters?: Filters | undefined
}

/** A batch with its counters. Only a report tells waiting rows from withheld ones. */
export interface StoredBatch extends Batch {
  /** Low-water mark: no search below this id is waiting for this batch, so the feeder starts here. */
  readonly fedTo: number
  /** 1: everything it wants that is queued has at least its priority. Each release resets it. */
  readonly raised: number
  /** Searches that it wants and that have no outcome. The other counters count rows. */
  readonly pending: number
  readonly items: number
  readonly invalid: number
  readonly tagged: number
  readonly noMatch: number
  readonly dead: number
}

const NOT_BEFORE_SQL = '(select not_before from schedule where batch_id = batch.id)'

/**
 * Named, here and wherever rows are read: a program of the next version may add columns while this one
 * runs, and PostgreSQL refuses a prepared `select *` from then on.
 */
const COLUMNS = `id, name, state, priority, catalog_path as "catalogPath", format, delimiter,
  byte_order_mark as "byteOrderMark", quoting, preamble, columns, template, row_options as "rowOptions", continues,
  max_credits as "maxCredits", first, charged, refused, created_at as "createdAt", completed_at as "completedAt",
  ${NOT_BEFORE_SQL} as "notBefore", (select deadline from schedule where batch_id = batch.id) as deadline,
  fed_to as "fedTo", raised, pending, items, invalid, tagged, no_match as "noMatch", dead`

type BatchRow = Omit<StoredBatch, 'byteOrderMark' | 'columns' | 'rowOptions'> & {
  readonly byteOrderMark: number
  /** JSON array. */
  readonly columns: string
  /** JSON object; null: none were given. */
  readonly rowOptions: string | null
}

function batchOf(row: BatchRow): StoredBatch {
  return {
    ...row,
    byteOrderMark: row.byteOrderMark === 1,
    columns: JSON.parse(row.columns) as string[],
    rowOptions: JSON.parse(row.rowOptions ?? '{}') as RowOptions,
  }
}

/**
 * Batches that users see: not one that is being removed.
 * @param rest what follows `where dropping = 0`
 */
export async function visibleBatches(tx: Queries, rest: string, parameters?: SqlParameters): Promise<StoredBatch[]> {
  return (await tx.all<BatchRow>(`select ${COLUMNS} from batch where dropping = 0 ${rest}`, parameters)).map(batchOf)
}

export async function visibleBatch(tx: Queries, id: number): Promise<StoredBatch | undefined> {
  return (await visibleBatches(tx, 'and id = @id', { id }))[0]
}

export async function latestBatch(tx: Queries): Promise<StoredBatch | undefined> {
  return (await visibleBatches(tx, 'order by id desc limit 1'))[0]
}

/** @param update without its `returning`. Returns the batches that it changed. */
export async function updateBatches(tx: Queries, update: string, parameters: SqlParameters): Promise<StoredBatch[]> {
  return (await tx.all<BatchRow>(`${update} returning ${COLUMNS}`, parameters)).map(batchOf)
}

/** Rows without an outcome. */
export function unfinishedRows(batch: StoredBatch): number {
  return batch.items - batch.invalid - batch.tagged - batch.noMatch - batch.dead
}

/** The maximum number of calls charged to it. Null: no cap. */
export function capOf({ maxCredits, first, refused = 0 }: Caps & Partial<Pick<Batch, 'refused'>>): number | null {
  if (first === null) return maxCredits
  return Math.max(0, Math.min(maxCredits ?? Number.POSITIVE_INFINITY, first - refused))
}

/** The command that continues a batch with withheld rows. @param batch null: several */
export function releaseCommand(batch: Pick<Batch, 'id' | 'maxCredits' | 'charged'> | null): string {
  const isCapUsed = batch === null || (batch.maxCredits !== null && batch.charged >= batch.maxCredits)
  return `trackyard-batch release ${batch?.id ?? 'BATCH'}${isCapUsed ? ' --max-credits N' : ''}`
}

/** Calls that it may still be charged with. A search that several batches want counts for each. */
export function creditsNeeded(batch: StoredBatch): number {
  if (batch.state !== 'released') return 0
  return Math.min(batch.pending, Math.max(0, (capOf(batch) ?? Number.POSITIVE_INFINITY) - batch.charged))
}

/** `capOf` in SQL, for a table or alias named `batch`. */
export const CAP_SQL = leastSql('batch.max_credits', '(batch.first - batch.refused)')

/** Whether a loading batch only waits for its time: its submit has ended, so it has no heartbeat. */
export const IS_SCHEDULED_SQL = `${NOT_BEFORE_SQL} is not null`

/** Whether a batch may be charged with another call. */
export const CAN_PAY_SQL = `batch.state = 'released' and (${CAP_SQL} is null or batch.charged < ${CAP_SQL})`
