import type { Notification } from '../domain/notification.js'
import type { Connection, Transaction } from './engine.js'

export interface StoredNotification extends Notification {
  /** Ascending in order of storing; the receiver can use it to drop repeats. */
  readonly id: number
  readonly createdAt: number
}

/**
 * Notifications that the webhook has not delivered yet. Each is stored before it is sent, and
 * removed when it was delivered. So if a worker ends, the next one sends it. A crash between
 * sending and removing sends it twice, with the same id.
 */
export interface NotificationStore {
  /**
   * The same text is stored once: a new worker reports an existing pause again. Returns the id; null: it was stored
   * before.
   */
  add(notification: Notification, now: number): Promise<number | null>
  /** The oldest. Null: none. Notifications older than `notBefore` are dropped. */
  next(notBefore: number): Promise<StoredNotification | null>
  remove(id: number): Promise<void>
  /** How many are as young as `notBefore`, and when the oldest of them was stored; null: there is none. */
  pending(notBefore: number): Promise<{ readonly count: number; readonly since: number | null }>
}

interface NotificationRow {
  readonly id: number
  readonly text: string
  readonly created_at: number
  /** Null in rows of a version that stored the text alone. */
  readonly details: string | null
}

export function notificationStore(connection: Connection): NotificationStore {
  return {
    add: (notification, now) => connection.write((tx) => addNotification(tx, notification, now)),
    next: async (notBefore) => {
      const oldest = await connection.read(oldestOf)
      if (oldest === null || oldest.createdAt >= notBefore) return oldest
      return connection.write(async (tx) => {
        await tx.run('delete from notification where created_at < @notBefore', { notBefore })
        return oldestOf(tx)
      })
    },
    remove: async (id) => {
      await connection.write((tx) => tx.run('delete from notification where id = @id', { id }))
    },
    pending: (notBefore) =>
      connection.read(
        async (tx) =>
          (await tx.get<{ readonly count: number; readonly since: number | null }>(
            'select count(*) as count, min(created_at) as since from notification where created_at >= @notBefore',
            { notBefore },
          )) ?? { count: 0, since: null },
      ),
  }
}

async function oldestOf(tx: Transaction): Promise<StoredNotification | null> {
  const row = await tx.get<NotificationRow>(
    'select id, text, created_at, details from notification order by id limit 1',
  )
  if (row === undefined) return null
  const { id, text, created_at: createdAt } = row
  const { event = 'batch.done', batch = null, figures = {} }: Partial<Notification> = JSON.parse(row.details ?? '{}')
  return { id, text, createdAt, event, batch, figures }
}

/** See `NotificationStore.add`. */
export async function addNotification(
  tx: Transaction,
  notification: Notification,
  now: number,
): Promise<number | null> {
  const { text, ...details } = notification
  const added = await tx.get<{ id: number }>(
    `insert into notification (text, created_at, details) values (@text, @now, @details)
     on conflict (text) do nothing returning id`,
    { text, now, details: JSON.stringify(details) },
  )
  return added?.id ?? null
}
