import type { Connection } from './connection.js'

/**
 * What the webhook is still to be told. Written down before it is sent and removed when it was sent or given up, so
 * that a worker that ends meanwhile leaves it to the next one. A crash between sending and removing sends it again.
 */
export interface NotificationRecord {
  /** The same text is kept once: a new worker reports a pause that it finds. */
  add(text: string, now: number): Promise<void>
  /** The oldest; null: none. What is older than that instant is forgotten. */
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
