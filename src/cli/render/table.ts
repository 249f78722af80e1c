/**
 * Columns as wide as their widest cell, two spaces between; columns in `right` are right-aligned.
 */
export function table(rows: readonly (readonly string[])[], right: readonly number[] = []): string {
  const widths: number[] = []
  for (const row of rows) {
    for (const [column, cell] of row.entries()) widths[column] = Math.max(widths[column] ?? 0, [...cell].length)
  }
  return rows.map((row) => line(row, widths, right)).join('\n')
}

function line(row: readonly string[], widths: readonly number[], right: readonly number[]): string {
  const cells = row.map((cell, column) => {
    const gap = ' '.repeat((widths[column] ?? 0) - [...cell].length)
    return right.includes(column) ? gap + cell : cell + gap
  })
  return cells.join('  ').trimEnd()
}

/** Label and value, one pair per line. */
export function pairs(entries: readonly (readonly [label: string, value: string])[]): string {
  return table(entries)
}
