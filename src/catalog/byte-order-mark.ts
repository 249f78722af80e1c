/** What the first bytes say about the encoding; the longer marks first, since UTF-32 LE begins like UTF-16 LE. */
const MARKS: readonly { readonly encoding: string; readonly bytes: readonly number[] }[] = [
  { encoding: 'utf-32le', bytes: [0xff, 0xfe, 0, 0] },
  { encoding: 'utf-32be', bytes: [0, 0, 0xfe, 0xff] },
  { encoding: 'utf-8', bytes: [0xef, 0xbb, 0xbf] },
  { encoding: 'utf-16le', bytes: [0xff, 0xfe] },
  { encoding: 'utf-16be', bytes: [0xfe, 0xff] },
]

export function byteOrderMark(head: Buffer): { readonly encoding: string; readonly length: number } | null {
  for (const { encoding, bytes } of MARKS) {
    if (bytes.every((byte, index) => head[index] === byte)) return { encoding, length: bytes.length }
  }
  return null
}

/**
 * UTF-16 and UTF-32 without a mark, by the zero bytes that ASCII characters have in them: always on the same
 * side, and beside every line end. Null: neither; zero bytes that fill up a column are elsewhere.
 */
export function wideEncoding(head: Buffer): string | null {
  const zeros = [0, 0, 0, 0]
  for (let at = head.indexOf(0); at !== -1; at = head.indexOf(0, at + 1)) zeros[at % 4] = (zeros[at % 4] ?? 0) + 1
  const [a = 0, b = 0, c = 0, d = 0] = zeros
  const isMostly = (one: number, other: number): boolean => one * 20 > head.length / 4 && one > other * 20
  if (isMostly(Math.min(b, c, d), a) && lineEndsHave(head, [1, 2, 3])) return 'utf-32le'
  if (isMostly(Math.min(a, b, c), d) && lineEndsHave(head, [-3, -2, -1])) return 'utf-32be'
  if (isMostly(b + d, a + c) && lineEndsHave(head, [1])) return 'utf-16le'
  if (isMostly(a + c, b + d) && lineEndsHave(head, [-1])) return 'utf-16be'
  return null
}

/** Whether most line ends have zeros at these distances. */
function lineEndsHave(head: Buffer, distances: readonly number[]): boolean {
  let found = 0
  let fitting = 0
  for (let at = head.indexOf(LF); at !== -1; at = head.indexOf(LF, at + 1)) {
    found++
    if (distances.every((distance) => (head[at + distance] ?? 0) === 0)) fitting++
  }
  return found > 0 && fitting * 2 > found
}

const LF = 10
