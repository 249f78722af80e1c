import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { createGzip, gzipSync } from 'node:zlib'
import { expect, test } from '@jest/globals'
import { openCatalog } from '../../src/catalog/open-catalog.js'
import { retainedBytes } from '../support/retained-memory.js'
import { all, openText, rawRows } from './reading.js'

/** What only a large file shows: memory and time. It takes some seconds. */
const MB = 1024 * 1024
/** Lines that look like rows of a catalog with two columns. */
const ROWLIKE = '77,a row inside a cell\n'

test.each(['lines', 'list'])(
  '300 MB of JSON %s with rows of 15 and of 40 MB are read in little memory',
  async (layout) => {
    const isList = layout === 'list'
    const row = `{"title":"Harbour","note":"${'words '.repeat(40)}"}`
    const long = (megabytes: number) => `{"title":"Long","note":"${'y'.repeat(megabytes * 1024 * 1024)}"}`
    const separator = isList ? ',' : '\n'
    const block = Buffer.from(`${row}${separator}`.repeat(1000))
    async function* chunks() {
      if (isList) yield Buffer.from('[')
      for (let n = 0; n < 1000; n++) {
        yield block
        if (n === 300) yield Buffer.from(`${long(15)}${separator}`)
        if (n === 600) yield Buffer.from(`${long(40)}${separator}`)
      }
      yield Buffer.from(isList ? `${row}]` : row)
    }
    const before = retainedBytes()
    let peak = 0
    let count = 0
    const problems: string[] = []
    const catalog = await openCatalog({ stream: Readable.from(chunks()), name: isList ? 'x.json' : 'x.jsonl' })
    for await (const each of catalog.rows()) {
      if (++count % 100_000 === 0) peak = Math.max(peak, retainedBytes())
      if (each.problem !== undefined) problems.push(each.problem)
    }
    expect(count).toBe(1_000_003)
    expect(problems).toEqual([
      'expected a row of at most 16 MB, found one of 40.0 MB, cut to 200 characters in the export',
    ])
    expect(peak - before).toBeLessThan(100 * 1024 * 1024)
  },
)

test('gzip that unpacks to a thousand times its size needs no memory for it', async () => {
  const megabyte = Buffer.alloc(MB, 'x')
  const bomb = await buffer(Readable.from(Array(300).fill(megabyte)).pipe(createGzip()))
  const packed = Buffer.concat([gzipSync('id,title\n1,x\n'), bomb, gzipSync('\n2,y\n')])
  let peak = 0
  let timer: NodeJS.Timeout | undefined
  // Each sample collects all garbage of this process, which may take half a second on a busy machine.
  const sample = () => {
    const begun = performance.now()
    peak = Math.max(peak, retainedBytes())
    timer = setTimeout(sample, Math.max(250, 9 * (performance.now() - begun)))
  }
  const before = retainedBytes()
  sample()
  const rows = await rawRows(packed, 'x.csv.gz')
  clearTimeout(timer)
  expect(rows.map((row) => row.problem ?? row.line)).toEqual([
    2,
    'expected a row of at most 16 MB, found one of 300.0 MB, cut to 200 characters in the export',
    4,
  ])
  expect(peak - before).toBeLessThan(150 * 1024 * 1024)
})

test('memory is bounded by the longest row, not by the file', async () => {
  const prose = Buffer.from(ROWLIKE.repeat(3000))
  const stream = Readable.from(
    (function* () {
      yield Buffer.from('id,title\n1,"')
      for (let bytes = 0; bytes < 15 * MB; bytes += prose.length) yield prose
      yield Buffer.from('"\n2,"')
      for (let bytes = 0; bytes < 150 * MB; bytes += prose.length) yield prose
      yield Buffer.from('"\n3,end\n')
    })(),
  )
  const before = retainedBytes()
  let most = 0
  const seen: string[] = []
  for await (const row of (await openCatalog({ stream, name: 'x.csv' })).rows()) {
    most = Math.max(most, retainedBytes())
    seen.push(row.kind)
  }
  expect(seen).toEqual(['cells', 'broken', 'cells'])
  expect(most - before).toBeLessThan(150 * MB)
})

test('many cells of 1 MB take time in proportion', async () => {
  const row = Buffer.from(`1,"${ROWLIKE.repeat(Math.ceil(MB / ROWLIKE.length)).slice(0, MB)}"\n`)
  const timed = async (count: number) => {
    const rows = Array(count).fill(row)
    const begun = process.cpuUsage()
    expect(await rawRows(Buffer.concat([Buffer.from('id,title\n'), ...rows]))).toHaveLength(count)
    const { user, system } = process.cpuUsage(begun)
    return (user + system) / 1000
  }
  await timed(4)
  const [few, many] = [await timed(8), await timed(64)]
  expect(many).toBeLessThan(Math.max(few, 50) * 8 * 4)
})

test('quoting of a TSV is recognised by a quoted cell after 100,000 rows', async () => {
  const text = `id\ttitle\n${'1\tplain words\n'.repeat(100_000)}2\t"two\nlines"\n`
  const { quoting, rows } = await openText(text, 'x.tsv')
  const read = await all(rows())
  expect([quoting, read.length, read.at(-1)]).toEqual([
    'csv',
    100_001,
    { kind: 'cells', line: 100_002, cells: ['2', 'two\nlines'] },
  ])
})

test('in a catalog of one column an empty line is a row, also where blocks meet', async () => {
  const rows = await rawRows(`title\n${'\nx\n'.repeat(250_000)}\n\n`)
  expect(rows).toHaveLength(500_000)
  expect(rows.every((row, index) => row.line === index + 2 && row.kind === 'cells')).toBe(true)
  expect(rows.filter((row) => row.kind === 'cells' && row.cells[0] === '')).toHaveLength(250_000)
})
