/**
 * Finds the known word nearest to an unknown one: a setting, column, placeholder or file format. The edit
 * distance (insert, delete, change, swap neighbours) is at most a third of the word, so that suggestions
 * stay plausible. Letter case, `-` against `_`, and invisible characters do not count.
 *
 * @returns the candidate as written, the first of several equally near; null when none is near
 */
export function didYouMean(word: string, candidates: readonly string[]): string | null {
  const wanted = folded(word)
  let nearest: string | null = null
  let least = Math.max(1, Math.floor(wanted.length / 3)) + 1
  for (const candidate of candidates) {
    const distance = editDistance(wanted, folded(candidate), least)
    if (distance < least) {
      nearest = candidate
      least = distance
    }
  }
  return nearest
}

/** Words that look the same become equal: composed characters, plain spaces, no invisible characters. */
function folded(word: string): string {
  const plain = word
    .normalize('NFC')
    .replace(/\p{Cf}/gu, '')
    .replace(/\s+/gu, ' ')
  return plain.trim().toLowerCase().replaceAll('-', '_')
}

/** The number of edits from `a` to `b`, at most `limit`. */
function editDistance(a: string, b: string, limit: number): number {
  if (Math.abs(a.length - b.length) >= limit) return limit
  let before: number[] = []
  let last = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1]
      const swapped = a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]
      row.push(
        Math.min(
          at(last, j) + 1,
          at(row, j - 1) + 1,
          at(last, j - 1) + (same ? 0 : 1),
          swapped ? at(before, j - 2) + 1 : limit,
        ),
      )
    }
    before = last
    last = row
  }
  return Math.min(limit, at(last, b.length))
}

function at(row: readonly number[], index: number): number {
  return row[index] ?? Number.POSITIVE_INFINITY
}
