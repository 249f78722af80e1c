import type { Connection } from './connection.js'

/**
 * Notifications that the webhook has not delivered yet. Each is stored before it is sent, and
 * removed when it was sent or given up on. So if a worker ends, the next one sends it. A crash
 * between sending and removing sends it twice.
 */
export interface NotificationRecord {
  /** The same text is stored once: a new worker reports an existing pause again. */
  add(text: string, now: number): Promise<void>
  /** The oldest. Null: none. Notifications older than `notBefore` are dropped. */
  next(notBefore: number): Promise<{ readonly id: number; readonly text: string } | null>
  remove(id: number): Promise<void>
}

export function notificationRecord(connection: Connection): NotificationRecord {
  return {
    add: async (text, now) => connection.write(() => addNotification(connection, text, now)),
    next: async (notBefore) => {
      const oldest = connection.read(() =>
        connection.get<{ id: number; text: string; created_at: number }>(
          'select id, text, created_at from notification order by id limit 1',
        ),
      )
      if (oldest === undefined) return null
      if (oldest.created_at >= notBefore) return { id: oldest.id, text: oldest.text }
      return connection.write(() => {
        connection.run('delete from notification where created_at < ?', [notBefore])
        return (
          connection.get<{ id: number; text: string }>('select id, text from notification order by id limit 1') ?? null
        )
      })
    },
    remove: async (id) => void connection.write(() => connection.run('delete from notification where id = ?', [id])),
  }
}

/** For use inside a transaction. */
export function addNotification(connection: Connection, text: string, now: number): void {
  connection.run('insert into notification (text, created_at) values (?, ?) on conflict (text) do nothing', [text, now])
}
