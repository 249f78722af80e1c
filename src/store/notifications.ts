import { isRecord } from '../domain/is-record.js'
import type { Notification } from '../domain/notification.js'
import type { Connection } from './connection.js'

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
export interface NotificationRecord {
  /** The same text is stored once: a new worker reports an existing pause again. */
  add(notification: Notification, now: number): Promise<void>
  /** The oldest. Null: none. Notifications older than `notBefore` are dropped. */
  next(notBefore: number): Promise<StoredNotification | null>
  remove(id: number): Promise<void>
}

interface NotificationRow {
  readonly id: number
  readonly text: string
  readonly created_at: number
  /** Null in rows of a version that stored the text alone. */
  readonly details: string | null
}

const OLDEST = 'select id, text, created_at, details from notification order by id limit 1'

export function notificationRecord(connection: Connection): NotificationRecord {
  return {
    add: async (notification, now) => connection.write(() => addNotification(connection, notification, now)),
    next: async (notBefore) => {
      const oldest = connection.read(() => connection.get<NotificationRow>(OLDEST))
      if (oldest === undefined) return null
      if (oldest.created_at >= notBefore) return notificationOf(oldest)
      return connection.write(() => {
        connection.run('delete from notification where created_at < ?', [notBefore])
        const next = connection.get<NotificationRow>(OLDEST)
        return next === undefined ? null : notificationOf(next)
      })
    },
    remove: async (id) => void connection.write(() => connection.run('delete from notification where id = ?', [id])),
  }
}

/** For use inside a transaction. */
export function addNotification(connection: Connection, notification: Notification, now: number): void {
  const { text, ...details } = notification
  connection.run(
    'insert into notification (text, created_at, details) values (?, ?, ?) on conflict (text) do nothing',
    [text, now, JSON.stringify(details)],
  )
}

function notificationOf(row: NotificationRow): StoredNotification {
  const { id, text, created_at: createdAt } = row
  const details: unknown = JSON.parse(row.details ?? '{}')
  const stored = isRecord(details) ? (details as Partial<Notification>) : {}
  const { event = 'batch.done', batch = null, figures = {} } = stored
  return { id, text, createdAt, event, batch, figures }
}
