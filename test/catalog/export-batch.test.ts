import { chmod, lstat, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable, Writable } from 'node:stream'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { parse } from 'csv-parse/sync'
import { stringify } from 'csv-stringify/sync'
import fc from 'fast-check'
import { compileRows } from '../../src/catalog/compile-rows.js'
import { EXPORT_FILE, type ExportOrder, exportBatch } from '../../src/catalog/export/export-batch.js'
import { guardFormula, unguardFormula } from '../../src/catalog/formula-cell.js'
import { openCatalog } from '../../src/catalog/open-catalog.js'
import { parseTracks } from '../../src/domain/answer.js'
import type { RowStatus } from '../../src/domain/states.js'
import { tagging } from '../../src/domain/tags.js'
import type { ExportRow } from '../../src/store/store.js'
import { csvBatch, each, exportRow, exportText } from './exporting.js'

let directory = ''
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'export-'))
})
afterEach(async () => {
  await rm(directory, { recursive: true, force: true })
})

async function exported(rows: readonly ExportRow[], order: Partial<ExportOrder> = {}): Promise<string> {
  const out = join(directory, 'out')
  await exportBatch({ rows: each(rows), batch: csvBatch, format: 'csv', out, ...order })
  return await readFile(out, 'utf8')
}

const OURS =
  'trackyard_status,trackyard_genre,trackyard_subgenres,trackyard_moods,trackyard_instruments,trackyard_bpm,' +
  'trackyard_key,trackyard_energy_level,trackyard_has_vocals,trackyard_track_ids,trackyard_top_track_id,' +
  'trackyard_top_track_title,trackyard_top_track_artist,trackyard_error'

describe('an export as CSV', () => {
  test('has the input’s columns, then ours, lists joined by "; "', async () => {
    const text = await exported([exportRow(1, ['7', 'Dawn, early'])])
    expect(text).toBe(
      `id,title,${OURS}\n7,"Dawn, early",tagged,ambient,drone; dub,calm,,100.5,A minor,low,false,` +
        'trk_1; trk_2,trk_1,Song 1,"Ada, ""the Quiet""",\n',
    )
  })

  test('says why there are no tags', async () => {
    const statuses: RowStatus[] = ['no_match', 'dead', 'invalid', 'withheld', 'waiting', 'cancelled']
    const rows = statuses.map((status, index) =>
      exportRow(index + 1, [String(index), 'x'], { status, error: status === 'dead' ? 'Refused: no' : null }),
    )
    const [, ...lines] = (await exported(rows)).trimEnd().split('\n')
    expect(lines).toEqual(
      statuses.map((status, n) => `${n},x,${status},,,,,,,,,,,,,${status === 'dead' ? 'Refused: no' : ''}`),
    )
  })

  test('leaves out the columns that an earlier export has added, and no other', async () => {
    const columns = ['trackyard_status', 'id', 'trackyard_error', 'trackyard_reviewed_by', 'trackyard_spreadsheet_safe']
    const row = exportRow(1, ['tagged', '7', 'old', 'Ada', 'true'], { status: 'waiting' })
    const text = await exported([row], { batch: { ...csvBatch, columns } })
    expect(text).toBe(`id,trackyard_reviewed_by,${OURS}\n7,Ada,waiting,,,,,,,,,,,,,\n`)
  })

  test('keeps its width: a short row is filled up, surplus cells are joined into the last column', async () => {
    const rows = [exportRow(1, ['7'], { status: 'invalid' }), exportRow(2, ['8', 'a', 'b', ''], { status: 'invalid' })]
    const [, short, long] = (await exported(rows)).split('\n')
    expect([short, long]).toEqual(['7,,invalid,,,,,,,,,,,,,', '8,"a,b,",invalid,,,,,,,,,,,,,'])
  })

  test.each([
    [
      'the last columns',
      ['id', 'title', 'trackyard_status', 'trackyard_error'],
      ['7', 'Har', 'bor', 'dead', 'Refused'],
    ],
    [
      'columns in the middle',
      ['id', 'trackyard_status', 'trackyard_error', 'title'],
      ['7', 'Har', 'bor', 'dead', 'Refused'],
    ],
  ])('loses no cell of a long row where an earlier export added %s', async (_, columns, cells) => {
    expect(await exported([exportRow(1, cells, { status: 'invalid' })], { batch: { ...csvBatch, columns } })).toBe(
      `id,title,${OURS}\n7,"Har,bor,dead,Refused",invalid,,,,,,,,,,,,,\n`,
    )
  })

  test('uses the input’s delimiter', async () => {
    const text = await exported([exportRow(1, ['7', 'a;b,c'], { status: 'waiting' })], {
      batch: { ...csvBatch, delimiter: ';' },
    })
    expect(text).toContain('\n7;"a;b,c";waiting;;')
  })

  test('begins with a byte order mark where the catalog did, by which Excel knows UTF-8', async () => {
    await writeFile(join(directory, 'marked.csv'), '\uFEFFid,title\n7,Zürich\n')
    const { byteOrderMark, columns, close } = await openCatalog({ path: join(directory, 'marked.csv') })
    close()
    const rows = [exportRow(1, ['7', 'Zürich'], { status: 'waiting' })]
    const marked = await exported(rows, { batch: { ...csvBatch, byteOrderMark, columns } })
    expect(marked).toBe(`\uFEFF${await exported(rows)}`)
    expect(await exported(rows, { format: 'jsonl', batch: { ...csvBatch, byteOrderMark } })).toMatch(/^\{/)
  })

  test('of a JSONL batch has position, id and the row as JSON', async () => {
    const batch = { ...csvBatch, format: 'jsonl' as const, delimiter: null, columns: [] }
    const text = await exported([exportRow(1, '{"a": 1}', { status: 'waiting', key: null })], { batch })
    expect(text).toBe(`position,id,row,${OURS}\n1,,"{""a"": 1}",waiting,,,,,,,,,,,,,\n`)
  })

  test('an answer that cannot be read any more costs its own row the tags, not the export', async () => {
    const text = await exported([exportRow(1, ['7', 'x'], { answer: '{' }), exportRow(2, ['8', 'y'])])
    expect(text).toContain('7,x,tagged,,,,,,,,,,,,,The stored answer cannot be read\n8,y,tagged,ambient')
  })
})

test('what is stored beside an answer and what is made of it are exported alike', async () => {
  const text = fc.option(
    fc.string({ unit: fc.constantFrom('a', '=', '"', ',', '\n', '\t', '\0', '🎬', ' '), maxLength: 4 }),
  )
  const words = fc.array(text, { maxLength: 4 })
  const track = fc.record({
    id: text,
    title: text,
    artist: text,
    genre: text,
    key: text,
    energy_level: text,
    subgenres: words,
    moods: words,
    instruments: words,
    bpm: fc.oneof(fc.double(), text),
    has_vocals: fc.oneof(fc.boolean(), text),
  })
  await fc.assert(
    fc.asyncProperty(fc.array(track, { minLength: 1, maxLength: 6 }), async (tracks) => {
      const body = JSON.stringify({ tracks })
      const stored = JSON.stringify(tagging(parseTracks(body) ?? []))
      const fresh = exportRow(1, ['7', 'x'], { answer: body })
      const kept = exportRow(1, ['7', 'x'], { answer: null, tagging: stored })
      for (const format of ['csv', 'jsonl'] as const) {
        expect(await exportText([kept], csvBatch, format)).toBe(await exportText([fresh], csvBatch, format))
      }
    }),
  )
})

test('cells are quoted as csv-stringify quotes them', async () => {
  const cell = fc.string({
    unit: fc.constantFrom('a', '"', ',', ';', '^', ']', '-', '\\', '\t', '\r', '\n', ' '),
    maxLength: 4,
  })
  const separator = fc.constantFrom(',', ';', '\t', '|', '^', ']', '\\', '-', ' ')
  await fc.assert(
    fc.asyncProperty(fc.array(cell, { minLength: 2, maxLength: 2 }), separator, async (cells, delimiter) => {
      const text = await exported([exportRow(1, cells, { status: 'waiting' })], { batch: { ...csvBatch, delimiter } })
      const isTsv = delimiter === '\t'
      const options = { delimiter, quoted_match: /\r/, quoted: isTsv, quoted_empty: isTsv }
      expect(text.split('\n').slice(1).join('\n')).toBe(
        stringify([[...cells, 'waiting', ...Array.from({ length: 13 }, () => '')]], options),
      )
    }),
  )
})

describe('no cell runs as a formula', () => {
  test.each([
    ['=1+1', "'=1+1"],
    ['+cmd', "'+cmd"],
    ['-2+3', "'-2+3"],
    ['@SUM(A1)', "'@SUM(A1)"],
    ['\t=1', "'\t=1"],
    ['\r=1', "'\r=1"],
    ['＝1', "'＝1"],
    ['-5', '-5'],
    ['+3.2', '+3.2'],
    ['-1.234,50', '-1.234,50'],
    ['1e5', '1e5'],
    ['-1E-5', '-1E-5'],
    ['-5%', '-5%'],
    ['-', '-'],
    ['a=1', 'a=1'],
    [' =1', ' =1'],
    ['', ''],
    ["'=1", "''=1"],
    ["''-5", "'''-5"],
    ["'s-Hertogenbosch", "'s-Hertogenbosch"],
  ])('%j is written as %j', (cell, written) => {
    expect(guardFormula(cell)).toBe(written)
    expect(unguardFormula(written)).toBe(cell)
  })

  test('whatever stands in the input, its header, an answer or an error', async () => {
    const cell = fc.string({
      unit: fc.constantFrom('=', '+', '-', '@', '\t', '\r', '\n', '"', ',', ';', '1', 'a'),
      maxLength: 6,
    })
    await fc.assert(
      fc.asyncProperty(
        fc.array(cell, { minLength: 4, maxLength: 4 }),
        async ([one = '', two = '', three = '', four = '']) => {
          const body = JSON.stringify({
            tracks: [{ id: three, title: three, artist: four, genre: four, moods: [three, four] }],
          })
          const text = await exported([exportRow(1, [one, two], { answer: body, error: four })], {
            batch: { ...csvBatch, columns: ['id', `${three}x`] },
            spreadsheetSafe: true,
          })
          const [columns = [], ...rows] = parse(text, { record_delimiter: '\n' }) as unknown as string[][]
          expect(rows).toHaveLength(1)
          for (const value of [...columns, ...(rows[0] ?? [])]) {
            if (/^[=+\-@\t\r]/.test(value)) expect(value).toMatch(/^([+-][\d.,e+-]+|-)$/)
          }
        },
      ),
      { numRuns: 60 },
    )
  })
})

describe('an export as JSONL', () => {
  const out = async (rows: readonly ExportRow[], batch = csvBatch) => {
    const text = await exported(rows, { format: 'jsonl', batch })
    return text
      .trimEnd()
      .split('\n')
      .map((line): unknown => JSON.parse(line))
  }

  test('has exactly the documented shape', async () => {
    expect(
      await out([exportRow(1, ['7', 'x']), exportRow(2, ['8', 'y'], { key: null, status: 'dead', error: 'No' })]),
    ).toEqual([
      {
        position: 1,
        id: 'id 1',
        status: 'tagged',
        tags: {
          genre: 'ambient',
          subgenres: ['drone', 'dub'],
          moods: ['calm'],
          instruments: [],
          bpm: 100.5,
          key: 'A minor',
          energy_level: 'low',
          has_vocals: false,
        },
        tracks: ['trk_1', 'trk_2'],
        error: null,
        row: { id: '7', title: 'x' },
      },
      { position: 2, id: null, status: 'dead', tags: null, tracks: [], error: 'No', row: { id: '8', title: 'y' } },
    ])
  })

  test('a row with too many cells stays the list of them', async () => {
    const wide = exportRow(1, ['7', 'x', 'y'], { status: 'invalid' })
    expect(await out([wide])).toMatchObject([{ row: ['7', 'x', 'y'] }])
  })

  test('missing cells are empty, and empty ones too many are none', async () => {
    const rows = [exportRow(1, ['7']), exportRow(2, ['8', 'x', '', ' '])]
    expect(await out(rows)).toMatchObject([{ row: { id: '7', title: '' } }, { row: { id: '8', title: 'x' } }])
  })

  test('nameless and repeated columns have keys of their own', async () => {
    const columns = ['', 'title', 'notes', 'notes', '']
    const [line] = await out([exportRow(1, ['0', 'x', 'a', 'b', 'c'])], { ...csvBatch, columns })
    expect(line).toMatchObject({
      row: { 'column 1': '0', title: 'x', notes: 'a', 'notes (column 4)': 'b', 'column 5': 'c' },
    })
  })

  test('a JSONL row comes out as it was written', async () => {
    const batch = { ...csvBatch, format: 'jsonl' as const, delimiter: null, columns: [] }
    const text = await exported([exportRow(1, '{"b": 1.0, "2":[], "1":"ü"}')], { format: 'jsonl', batch })
    expect(text).toContain(',"row":{"b": 1.0, "2":[], "1":"ü"}}\n')
  })
})

test('what comes in goes out: harmless cells byte for byte, as many rows as records, in order', async () => {
  const cell = fc.string({ unit: fc.constantFrom('a', 'ü', '🎬', '"', ',', '\n', ' ', '5'), maxLength: 6 })
  const table = fc.array(fc.tuple(cell, cell), { minLength: 1, maxLength: 10 })
  await fc.assert(
    fc.asyncProperty(table, async (cells) => {
      const source = cells.map(([a, b]) => `"${a.replaceAll('"', '""')}","${b.replaceAll('"', '""')}"\n`).join('')
      const catalog = await openCatalog({ stream: Readable.from([Buffer.from(`id,title\n${source}`)]), name: 'x.csv' })
      const rows: ExportRow[] = []
      for await (const { position, key, row } of compileRows({ catalog, template: '{title}' })) {
        rows.push({ position, key, row, status: 'waiting', tagging: null, answer: null, error: null })
      }
      const text = await exported(rows)
      const again = await openCatalog({ stream: Readable.from([Buffer.from(text)]), name: 'x.csv' })
      const back: (readonly string[])[] = []
      for await (const row of again.rows()) back.push(row.kind === 'cells' ? row.cells.slice(0, 2) : ['broken'])
      expect(back).toEqual(cells)
    }),
    { numRuns: 60 },
  )
})

test('another program’s CSV reader finds the same cells, whatever stands in them', async () => {
  const cell = fc.oneof(
    fc.string({ unit: 'grapheme', maxLength: 8 }),
    fc.string({ unit: fc.constantFrom('"', ',', ';', '\t', '\n', '\r', '=', "'", '\u0000', ' ', '|'), maxLength: 8 }),
  )
  const rows = fc.array(fc.array(cell, { minLength: 2, maxLength: 2 }), { minLength: 1, maxLength: 8 })
  const delimiters = fc.constantFrom(',', ';', '\t', '|')
  await fc.assert(
    fc.asyncProperty(rows, cell, delimiters, async (cells, error, delimiter) => {
      const text = await exported(
        cells.map((row, index) => exportRow(index + 1, row, { status: 'dead', error })),
        { batch: { ...csvBatch, delimiter } },
      )
      const [, ...back] = parse(text, { delimiter, record_delimiter: '\n' }) as unknown as string[][]
      expect(back.map((row) => [row[0], row[1], row.at(-1)])).toEqual(cells.map((row) => [...row, guardFormula(error)]))
    }),
    { numRuns: 150 },
  )
})

describe('where an export goes', () => {
  test('counts what it wrote and says where', async () => {
    const out = join(directory, 'x.csv')
    const rows = [exportRow(1, ['1', 'a']), exportRow(2, ['2', 'b'], { status: 'dead' }), exportRow(3, ['3', 'c'])]
    expect(await exportBatch({ rows: each(rows), batch: csvBatch, format: 'csv', out })).toEqual({
      rows: 3,
      byStatus: { tagged: 2, no_match: 0, dead: 1, invalid: 0, withheld: 0, waiting: 0, cancelled: 0 },
      path: out,
    })
  })

  test('the file appears whole: until then the earlier one stays and only a temporary one is beside it', async () => {
    const out = join(directory, 'x.csv')
    await writeFile(out, 'earlier')
    async function* rows() {
      yield exportRow(1, ['1', 'a'])
      expect(await readFile(out, 'utf8')).toBe('earlier')
      expect(await readdir(directory)).toHaveLength(2)
    }
    await exportBatch({ rows: rows(), batch: csvBatch, format: 'csv', out })
    expect(await readdir(directory)).toEqual(['x.csv'])
    expect(await readFile(out, 'utf8')).toContain('1,a,tagged')
  })

  test('a failure or a stop leaves the earlier file and nothing else', async () => {
    const out = join(directory, 'x.csv')
    await writeFile(out, 'earlier')
    async function* failing() {
      yield exportRow(1, ['1', 'a'])
      throw new Error('the record is gone')
    }
    await expect(exportBatch({ rows: failing(), batch: csvBatch, format: 'csv', out })).rejects.toThrow(
      'the record is gone',
    )
    const stop = new AbortController()
    async function* stopped() {
      yield exportRow(1, ['1', 'a'])
      stop.abort(new Error('stopped'))
      yield exportRow(2, ['2', 'a'])
    }
    const order = { rows: stopped(), batch: csvBatch, format: 'csv' as const, out, signal: stop.signal }
    await expect(exportBatch(order)).rejects.toThrow('stopped')
    await expect(exportBatch(order)).rejects.toThrow('stopped')
    expect(await readdir(directory)).toEqual(['x.csv'])
    expect(await readFile(out, 'utf8')).toBe('earlier')
  })

  test('what a killed export to the same file has left goes after an hour, and nothing else does', async () => {
    const hex = '0123456789ab'
    const changed = async (name: string, minutesAgo: number): Promise<string> => {
      const when = new Date(Date.now() - minutesAgo * 60_000)
      await writeFile(join(directory, name), '')
      await utimes(join(directory, name), when, when)
      return name
    }
    await changed(`.out.${hex}.tmp`, 61)
    const others = [
      await changed('.out.ba9876543210.tmp', 59),
      await changed(`.out.csv.${hex}.tmp`, 61),
      await changed(`.Xout.${hex}.tmp`, 61),
      await changed(`out.${hex}.tmp`, 61),
      await changed(`.out.${hex}0.tmp`, 61),
      await changed(`.out.${hex.toUpperCase()}.tmp`, 61),
      await changed(`.out.${hex}.tmp.csv`, 61),
    ]
    await mkdir(join(directory, '.out.aaaaaaaaaaaa.tmp'))
    await utimes(join(directory, '.out.aaaaaaaaaaaa.tmp'), 0, 0)
    await exported([exportRow(1, ['7', 'new'])])
    expect((await readdir(directory)).sort()).toEqual(['.out.aaaaaaaaaaaa.tmp', 'out', ...others].sort())
  })

  test('leftovers are looked for beside the file that a link leads to', async () => {
    const real = await mkdtemp(join(directory, 'real-'))
    const left = join(real, '.films.csv.0123456789ab.tmp')
    await writeFile(left, '')
    await utimes(left, 0, 0)
    await symlink(join(real, 'films.csv'), join(directory, 'out'))
    await exported([exportRow(1, ['7', 'new'])])
    expect(await readdir(real)).toEqual(['films.csv'])
  })

  test('the catalog of any batch is never overwritten, by any of its names', async () => {
    const catalogPath = join(directory, 'x.csv')
    await writeFile(catalogPath, 'id\n1\n')
    await symlink(catalogPath, join(directory, 'link.csv'))
    for (const out of [catalogPath, join(directory, '.', 'x.csv'), join(directory, 'link.csv')]) {
      const spared = { batches: [{ id: 8, name: 'x', catalogPath }] }
      const order = { rows: each([]), batch: csvBatch, format: 'csv' as const, out, spared }
      await expect(exportBatch(order)).rejects.toMatchObject({
        name: 'OutputError',
        message: `${out} is the catalog of batch 8 (x) and is never overwritten. Name another file with --out.`,
      })
    }
    expect(await readFile(catalogPath, 'utf8')).toBe('id\n1\n')
  })

  test('a file at a path that nobody has named is replaced only if an export is in it', async () => {
    const out = join(directory, 'x.tagged.csv')
    const spared = { batches: [], replaceable: EXPORT_FILE }
    const order = { rows: () => each([exportRow(1, ['7', 'x'])]), batch: csvBatch, format: 'csv' as const, out }
    const onto = async (text: string, again: Partial<ExportOrder> = {}) => {
      await writeFile(out, text)
      return exportBatch({ ...order, spared, rows: order.rows(), ...again })
    }
    for (const mine of ['', 'id,title\n', 'id,trackyard_status,trackyard_error\n', '{"position":1}\n']) {
      await expect(onto(mine)).rejects.toMatchObject({ name: 'OutputError' })
      expect(await readFile(out, 'utf8')).toBe(mine)
    }
    const dialects: Partial<ExportOrder>[] = [
      { spreadsheetSafe: true },
      { format: 'jsonl' },
      { batch: { ...csvBatch, delimiter: '\t', preamble: '# of May\n\n', byteOrderMark: true } },
      { batch: { ...csvBatch, delimiter: '|', quoting: 'none', columns: ['"'] } },
    ]
    for (const dialect of dialects) {
      await exportBatch({ ...order, rows: order.rows(), ...dialect })
      expect(await onto(await readFile(out, 'utf8'))).toMatchObject({ rows: 1 })
    }
  })

  test('a link stays a link', async () => {
    await writeFile(join(directory, 'real.csv'), 'earlier')
    const out = join(directory, 'link.csv')
    await symlink(join(directory, 'real.csv'), out)
    await exportBatch({ rows: each([]), batch: csvBatch, format: 'csv', out })
    expect(await readFile(join(directory, 'real.csv'), 'utf8')).toContain('trackyard_status')
    expect((await readdir(directory)).sort()).toEqual(['link.csv', 'real.csv'])
  })

  test('a link to a file that is not there yet stays a link, be it through another: its target is made', async () => {
    const out = join(directory, 'link.csv')
    await mkdir(join(directory, 'deep'))
    await symlink('deep/second.csv', out)
    await symlink('../real.csv', join(directory, 'deep', 'second.csv'))
    await exportBatch({ rows: each([]), batch: csvBatch, format: 'csv', out })
    expect((await lstat(out)).isSymbolicLink()).toBe(true)
    expect((await lstat(join(directory, 'real.csv'))).isFile()).toBe(true)
  })

  test('who could not read the earlier file cannot read the new one, nor its beginning', async () => {
    const out = join(directory, 'x.csv')
    for (const mode of [0o600, 0o666]) {
      await writeFile(out, 'earlier')
      await chmod(out, mode)
      async function* rows() {
        yield exportRow(1, ['1', 'a'])
        for (const name of await readdir(directory))
          expect((await stat(join(directory, name))).mode & 0o777 & ~mode).toBe(0)
      }
      await exportBatch({ rows: rows(), batch: csvBatch, format: 'csv', out })
      expect((await stat(out)).mode & 0o777).toBe(mode)
    }
  })

  test('a device is written in place', async () => {
    const result = await exportBatch({
      rows: each([exportRow(1, ['1', 'a'])]),
      batch: csvBatch,
      format: 'csv',
      out: '/dev/null',
    })
    expect(result.rows).toBe(1)
    expect((await stat('/dev/null')).isCharacterDevice()).toBe(true)
  })

  test('a full disk is named', async () => {
    const rows = each([exportRow(1, ['1', 'a'])])
    await expect(exportBatch({ rows, batch: csvBatch, format: 'csv', out: '/dev/full' })).rejects.toMatchObject({
      name: 'UnreachableError',
      code: 'output_failed',
      message: expect.stringContaining('disk is full'),
    })
  })

  test('a directory, or a place that is not there, is refused', async () => {
    await mkdir(join(directory, 'inner'))
    const refused = (out: string) => exportBatch({ rows: each([]), batch: csvBatch, format: 'csv', out })
    await expect(refused(join(directory, 'inner'))).rejects.toMatchObject({ name: 'OutputError' })
    await expect(refused(join(directory, 'none', 'x.csv'))).rejects.toMatchObject({
      name: 'OutputError',
      message: expect.stringContaining('expected an existing directory'),
    })
  })
})

describe('an export to a stream', () => {
  const many = (count: number) => Array.from({ length: count }, (_, n) => exportRow(n + 1, [String(n), 'x']))

  test('waits for a slow reader instead of filling the memory, and leaves the stream open', async () => {
    let held = 0
    let most = 0
    let text = ''
    const out = new Writable({
      highWaterMark: 1024,
      write(chunk: Buffer, _, done) {
        text += chunk.toString()
        setImmediate(done)
      },
    })
    async function* rows() {
      for (const row of many(3000)) {
        held = out.writableLength
        most = Math.max(most, held)
        yield row
      }
    }
    const result = await exportBatch({ rows: rows(), batch: csvBatch, format: 'csv', out })
    expect(result).toMatchObject({ rows: 3000, path: null })
    expect(text.trimEnd().split('\n')).toHaveLength(3001)
    expect(most).toBeLessThan(200_000)
    expect([out.writableEnded, out.destroyed, out.listenerCount('error')]).toEqual([false, false, 0])
    out.destroy()
  })

  test('ends with the reader’s error', async () => {
    const out = new Writable({ write: (_chunk, _encoding, done) => done(new Error('EPIPE')) })
    await expect(exportBatch({ rows: each(many(2000)), batch: csvBatch, format: 'csv', out })).rejects.toThrow('EPIPE')
  })

  test('ends when the stream is closed, and when it is stopped while nobody reads', async () => {
    const deaf = new Writable({ highWaterMark: 1, write: () => {} })
    const stop = new AbortController()
    const stopped = exportBatch({
      rows: each(many(2000)),
      batch: csvBatch,
      format: 'csv',
      out: deaf,
      signal: stop.signal,
    })
    stop.abort(new Error('stopped'))
    await expect(stopped).rejects.toThrow('stopped')
    const closing = exportBatch({ rows: each(many(2000)), batch: csvBatch, format: 'csv', out: deaf })
    deaf.destroy()
    await expect(closing).rejects.toMatchObject({ name: 'UnreachableError' })
  })

  test('gives the same text as a file', async () => {
    const text = await exportText(many(600), csvBatch, 'jsonl')
    expect(text).toBe(await exported(many(600), { format: 'jsonl' }))
    expect(text).toContain('trk_2')
  })
})
