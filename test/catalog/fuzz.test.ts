import { expect, test } from '@jest/globals'
import { compileRows } from '../../src/catalog/compile-rows.js'
import { UsageError } from '../../src/domain/errors.js'
import { all, openText } from './reading.js'

/** Small catalogs as people have them; mutations make the rest. */
const SEEDS: readonly (readonly [string, string])[] = [
  ['x.csv', 'id,title,mood\n1,Harbour,calm\n2,"Alley, late",dark\n3,"two\nlines",sad\n'],
  ['x.csv', 'id;title;mood\r\n1;27" screen;calm\r\n2;"say ""hi""";dark\r\n'],
  ['x.csv', '\uFEFFsep=;\r\nid;title\r\n1;Zürich\r\n'],
  ['x.csv', 'Report of today\n\nid,title\n1,Pier\n2,Street\n'],
  ['x.csv', 'title\nHarbour\n\nAlley\n'],
  ['x.csv', 'id,title\r1,Harbour\r2,"Two\nlines"\r'],
  ['x.tsv', 'id\ttitle\n1\t"Heroes"\n2\t"say ""hi"""\n'],
  ['x.txt', 'id|title|mood\n1|Harbour|\n2|Alley|dark|\n'],
]
const PIECES = [
  '"',
  '""',
  ',',
  ';',
  '\t',
  '|',
  '\n',
  '\r',
  '\r\n',
  ' ',
  'a',
  'ü',
  '🎬',

  '\uFEFF',
  "'",
  '\\',
  '=',
  'sep=;\n',
  '{',
  '"\n',
]
const CATALOGS = 70_000

/** Source: mulberry32. The same catalogs every time. */
function random(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below
  }
}

function mutated(text: string, next: (below: number) => number): string {
  let changed = text
  for (let count = 1 + next(4); count > 0; count--) {
    const at = next(changed.length + 1)
    const length = next(4) === 0 ? next(8) : 0
    const piece =
      next(6) === 0 ? changed.slice(next(changed.length), next(changed.length)) : PIECES[next(PIECES.length)]
    changed = changed.slice(0, at) + (piece ?? '') + changed.slice(at + length)
  }
  return changed
}

/** Whether the characters stand in the text in this order: marks may have been left out between them. */
function isWithin(cell: string, text: string): boolean {
  if (text.includes(cell)) return true
  let at = 0
  for (const character of cell) {
    at = text.indexOf(character, at) + 1
    if (at === 0) return false
  }
  return true
}

const visible = (text: string) => text.replace(/[^a-zA-Z0-9ü]/g, '')

test(`${CATALOGS.toLocaleString('en')} damaged catalogs: every row lies in the file, every word in a row`, async () => {
  const next = random(20261128)
  let refused = 0
  for (let n = 0; n < CATALOGS; n++) {
    const [name, seed] = SEEDS[n % SEEDS.length] ?? ['x.csv', '']
    const text = Buffer.from(mutated(seed, next)).toString()
    try {
      const catalog = await openText(text, name, next(3) === 0 ? 1 + next(9) : undefined)
      const { names } = catalog
      const column = names.find(
        (each) => each !== '' && !/[{}]/.test(each) && names.indexOf(each) === names.lastIndexOf(each),
      )
      if (column === undefined) continue
      const rows = await all(compileRows({ catalog, template: `{${column}}` }))
      // Lone CR become LF where a file has no other line ends.
      const input = text.includes('\n') ? text : text.replaceAll('\r', '\n')
      const cells = rows.map(({ row }) => JSON.parse(row) as string[])
      const lost = rows.find((_, index) => cells[index]?.some((cell) => !isWithin(cell, input)))
      const words = [catalog.preamble, ...catalog.columns, ...cells.flat()].map(visible).join('')
      const lines = rows.map(({ line }) => line)
      if (
        lost !== undefined ||
        words !== visible(input) ||
        lines.some((line, index) => (line ?? 0) <= (lines[index - 1] ?? 0))
      ) {
        throw new Error(`catalog ${n}: ${JSON.stringify({ text, name, cells, columns: catalog.columns, lines })}`)
      }
    } catch (error) {
      if (!(error instanceof UsageError)) throw error
      refused++
    }
  }
  expect(refused).toBeLessThan(CATALOGS / 4)
}, 300_000)
