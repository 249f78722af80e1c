/** The smaller of two expressions, either of which may be null. */
export function smallest(one: string, other: string): string {
  return `case when ${one} <= ${other} then ${one} else coalesce(${other}, ${one}) end`
}
