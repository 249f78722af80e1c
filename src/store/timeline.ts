import { formatNumber } from '../domain/format.js'
import type { Connection, Transaction } from './engine.js'
import { countOf } from './ledger.js'
import { readMeta, writeMeta } from './meta.js'

/** What happened, and who did it. Old entries are dropped by `prune`. */
export const TIMELINE_KINDS = [
  'released',
  'cancelled',
  'completed',
  'paused',
  'resumed',
  'limit_changed',
  'rate_limited',
  'credits_topped_up',
  'redis_restored',
  'worker_lost',
] as const
export type TimelineKind = (typeof TIMELINE_KINDS)[number]

/** `worker`: a worker did it by itself. */
export const ACTORS = ['command', 'board', 'script', 'worker'] as const
export type Actor = (typeof ACTORS)[number]

export interface TimelineEntry {
  readonly at: number
  readonly kind: TimelineKind
  readonly by: Actor
  /** One sentence for people, with figures. */
  readonly what: string
}

/** Adds no entry if the limit is unchanged, or was not known before. */
export function noteLimit(tx: Transaction, from: number | null, to: number | null, at: number): void {
  if (from === null || to === null || from === to) return
  const what = `The limit went from ${formatNumber(from)} to ${formatNumber(to)} calls a minute.`
  addEntry(tx, { at, kind: 'limit_changed', by: 'worker', what })
}

/**
 * The balance is what the API said, not what is left of it by our count. Adds no entry for a rise of no more than the calls
 * in flight, and those of unknown outcome since the API said it last: that corrects a count that they may have lowered
 * without being charged.
 */
export async function noteTopUp(tx: Transaction, from: number | null, to: number | null, at: number): Promise<void> {
  const unknown = await countOf(tx, 'unknown')
  const newlyUnknown = Math.max(0, unknown - Number(await readMeta(tx, 'unknown_at_balance')))
  writeMeta(tx, 'unknown_at_balance', unknown)
  if (from === null || to === null || to <= from) return
  if (to - from <= (await countOf(tx, 'sent')) + newlyUnknown) return
  const what = `Credits went up from ${formatNumber(from)} to ${formatNumber(to)}.`
  addEntry(tx, { at, kind: 'credits_topped_up', by: 'worker', what })
}

/** Epoch milliseconds, both included. */
export interface TimeRange {
  readonly from: number
  readonly to: number
}

export interface TimelineStore {
  add(entry: TimelineEntry): Promise<void>
  /**
   * Newest first.
   * @param of of this time; what happened later is included if it is about that batch
   */
  list(limit: number, of?: TimeRange & { readonly batchId?: number }): Promise<readonly TimelineEntry[]>
  /** Drops entries from before that. */
  prune(before: number): Promise<void>
}

export function timelineStore(connection: Connection, reader: Connection): TimelineStore {
  return {
    add: (entry) => connection.write(async (tx) => addEntry(tx, entry)),
    list: (limit, of) => {
      const during = of === undefined ? '' : 'where at >= @from and (at <= @to or what like @about)'
      const text = `select at, kind, actor as by, what from timeline ${during} order by id desc limit @limit`
      const about = of?.batchId === undefined ? '' : `Batch ${of.batchId} (%`
      const parameters = of === undefined ? { limit } : { limit, from: of.from, to: of.to, about }
      return reader.read((tx) => tx.all<TimelineEntry>(text, parameters))
    },
    prune: async (before) => {
      await connection.write((tx) => tx.run('delete from timeline where at < @before', { before }))
    },
  }
}

/** Adds an entry in the transaction of the change that it describes. */
export function addEntry(tx: Transaction, { at, kind, by, what }: TimelineEntry): void {
  tx.send('insert into timeline (at, kind, actor, what) values (@at, @kind, @by, @what)', { at, kind, by, what })
}
