import { stripVTControlCharacters } from 'node:util'
import { pluralize } from '../../domain/format.js'

/** The text without the lines at its end that a terminal has no room for. A line after it is for the cursor. */
export function fitToScreen(
  text: string,
  { columns = 80, rows = Number.POSITIVE_INFINITY }: { readonly columns?: number; readonly rows?: number },
): string {
  const lines = text.split('\n')
  const heights = lines.map((line) => Math.max(1, Math.ceil(widthOf(line) / columns)))
  const room = rows - 1
  if (sum(heights) <= room) return text
  // One is for the line that counts the others.
  const kept = lines.filter((_, index) => sum(heights.slice(0, index + 1)) <= room - 1)
  return [...kept, `… ${pluralize(lines.length - kept.length, 'more line')}`].join('\n')
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0)
}

/** Rather too wide than too narrow: all that may be as wide as two letters is. */
function widthOf(line: string): number {
  let width = 0
  for (const character of stripVTControlCharacters(line)) width += character >= '\u1100' ? 2 : 1
  return width
}
