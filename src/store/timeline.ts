import type { Connection } from './connection.js'
import type { Reads } from './findings.js'

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
    add: async (entry) => connection.write(() => addEntry(connection, entry)),
    list: (limit) => list(reader, limit),
    prune: async (before) =>
      void connection.write(() => connection.run('delete from timeline where at < @before', { before })),
  }
}

/** For use inside a transaction. */
export function addEntry(connection: Connection, { at, kind, by, what }: TimelineEntry): void {
  connection.run('insert into timeline (at, kind, actor, what) values (@at, @kind, @by, @what)', { at, kind, by, what })
}

async function list(tx: Reads, limit: number): Promise<readonly TimelineEntry[]> {
  return tx.all<TimelineEntry>('select at, kind, actor as by, what from timeline order by id desc limit @limit', {
    limit,
  })
}
