/** What the names of all columns begin with that an export adds. */
export const OUR_PREFIX = 'trackyard_'

/** Whether the new export leaves this column of a catalog out: an earlier one has added it. */
export function isOurs(column: string): boolean {
  return column.trim().startsWith(OUR_PREFIX)
}
