import type { Connection, SqlValue } from './connection.js'

/** Rows to a statement: most of what a statement costs by itself is shared then, and it stays small. */
const TOGETHER = 50

/**
 * Inserts the rows whose values stand one behind the other, many to a statement.
 * @param into table and columns: `want (batch_id, search_id)`
 * @param width values to a row
 */
export function insertRows(connection: Connection, into: string, width: number, values: readonly SqlValue[]): void {
  const row = `(${Array(width).fill('?').join(', ')})`
  const one = `insert into ${into} values ${row}`
  const many = `insert into ${into} values ${Array(TOGETHER).fill(row).join(', ')}`
  let at = 0
  for (; at + TOGETHER * width <= values.length; at += TOGETHER * width)
    connection.run(many, values.slice(at, at + TOGETHER * width))
  for (; at < values.length; at += width) connection.run(one, values.slice(at, at + width))
}
