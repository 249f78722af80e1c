import type { Queries, SqlParameters } from './engine.js'

/** SQL for the smaller of two expressions, either of which may be null. Null only if both are. */
export function leastSql(one: string, other: string): string {
  return `case when ${one} <= ${other} then ${one} else coalesce(${other}, ${one}) end`
}

/** For a query that always has a row: a count, or an insert that returns something. */
export async function getOne<Row>(tx: Queries, text: string, parameters?: SqlParameters): Promise<Row> {
  const row = await tx.get<Row>(text, parameters)
  if (row === undefined) throw new Error(`expected a row, found none: ${text}`)
  return row
}

/** The column `n` of the first row; 0 if there is no row, or `n` is null. */
export async function getNumber(tx: Queries, text: string, parameters?: SqlParameters): Promise<number> {
  return (await tx.get<{ n: number | null }>(text, parameters))?.n ?? 0
}
