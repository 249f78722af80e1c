/** SQL for the smaller of two expressions, either of which may be null. Null only if both are. */
export function leastSql(one: string, other: string): string {
  return `case when ${one} <= ${other} then ${one} else coalesce(${other}, ${one}) end`
}
