import type { Connection, SqlValue } from './connection.js'

/** Rows per statement: they share most of its fixed cost, and it stays small. */
const TOGETHER = 50

/**
 * Inserts rows from a flat list of values, many per statement.
 * @param into table and columns: `want (batch_id, search_id)`
 * @param width values per row
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
