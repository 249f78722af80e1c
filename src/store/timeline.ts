import type { Connection, Queries, Transaction } from './connection.js'

/** What happened, and who did it. Kept for an age, newest first. */
export const TIMELINE_KINDS = [
  'released',
  'cancelled',
  'completed',
  'paused',
  'resumed',
  'limit_changed',
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

export interface TimelineStore {
  add(entry: TimelineEntry): Promise<void>
  /** Newest first. */
  list(limit: number): Promise<readonly TimelineEntry[]>
  /** Drops entries from before that. */
  prune(before: number): Promise<void>
}

export function timelineStore(connection: Connection, reader: Connection): TimelineStore {
  return {
    add: (entry) => connection.write((tx) => addEntry(tx, entry)),
    list: (limit) => reader.read((tx) => list(tx, limit)),
    prune: async (before) => {
      await connection.write((tx) => tx.run('delete from timeline where at < @before', { before }))
    },
  }
}

export async function addEntry(tx: Transaction, { at, kind, by, what }: TimelineEntry): Promise<void> {
  await tx.run('insert into timeline (at, kind, actor, what) values (@at, @kind, @by, @what)', { at, kind, by, what })
}

async function list(tx: Queries, limit: number): Promise<readonly TimelineEntry[]> {
  return tx.all<TimelineEntry>('select at, kind, actor as by, what from timeline order by id desc limit @limit', {
    limit,
  })
}
