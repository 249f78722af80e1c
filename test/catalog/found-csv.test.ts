import { describe, expect, test } from '@jest/globals'
import { compileRows } from '../../src/catalog/compile-rows.js'
import { collectDoubts } from '../../src/catalog/doubts.js'
import type { CatalogOptions } from '../../src/catalog/open-catalog.js'
import { all, load, openText, refusal } from './reading.js'

/** CSV and TSV files that somebody handed in, byte for byte. */
interface Found {
  readonly name?: string
  readonly template?: string | null
  readonly id?: string
  readonly options?: CatalogOptions
}

async function read(text: string, { name = 'x.csv', template = '{title} {mood}', id, options }: Found = {}) {
  const catalog = await openText(text, name, Number.POSITIVE_INFINITY, options)
  const doubts = collectDoubts()
  const rows = await all(compileRows({ catalog, template, idColumn: id, doubts }))
  return {
    catalog,
    doubts,
    keys: rows.map((row) => row.key),
    said: rows.map((row) => row.request?.request.query ?? row.problem ?? ''),
  }
}

describe('quotation marks', () => {
  test.each([
    ['weird-al', '1,"Weird Al" Parody,funny\n2,Alley,dark', ['Weird Al Parody funny', 'Alley dark']],
    ['quote-space', '1,"Harbour, late" ,calm\n2,Alley,dark', ['Harbour, late calm', 'Alley dark']],
    [
      'backslash',
      '1,"He said \\"hi\\" there",calm\n2,"C:\\\\dir",dark\n3,\\N,happy',
      ['He said \\hi\\" there" calm', 'C:\\\\dir dark', '\\N happy'],
    ],
    [
      'inner-quotes',
      '1,"SECTION "BLDG. "B"", 2nd",calm\n2,Alley,dark',
      ['line 2: expected 3 cells, found 4', 'Alley dark'],
    ],
  ])('%s', async (_, rows, said) => {
    expect((await read(`id,title,mood\n${rows}\n`)).said).toEqual(said)
  })

  test('space-quote: spaces before marks are left out where no mark stands without', async () => {
    const { catalog, said } = await read(
      'id, title, mood\n1, "Harbour, late", calm\n2, "Alley", dark\n3, Street, happy\n',
    )
    expect(said).toEqual(['Harbour, late calm', 'Alley dark', 'Street happy'])
    expect(catalog.notes).toEqual(['spaces before quotation marks removed'])
    const mixed = await read('id,title,mood\n1, "Alley", "dark"\n2,"Pier",sad\n')
    expect(mixed.said).toEqual(['"Alley" "dark"', 'Pier sad'])
  })

  test('the same where the first such mark comes after 100 KB', async () => {
    const plain = Array.from({ length: 4000 }, (_, index) => `${index},plain scene ${index},calm\n`).join('')
    const { catalog, said } = await read(`id,title,mood\n${plain}9001, "Night, late", calm\n9002, "Morning", dark\n`)
    expect(plain.length).toBeGreaterThan(100_000)
    expect(said.slice(-2)).toEqual(['Night, late calm', 'Morning dark'])
    expect(catalog.notes).toEqual(['spaces before quotation marks removed'])
  })

  test('csv-swallow: a row over lines that look like rows is said with its line', async () => {
    const text = 'id,title,mood\n1,"Unclosed pier,calm\n2,Alley,dark\n3,Street 7",happy\n4,Last,sad\n'
    const { doubts, keys } = await read(text)
    expect(keys).toEqual(['1', '4'])
    expect(doubts.messages()).toEqual([
      'The row on line 2 has a quoted cell in which 2 lines look like rows: is a quotation mark missing?',
    ])
    const prose = await read('id,title,mood\n1,"A pier.\nQuiet, late.\nThe end.",calm\n')
    expect(prose.doubts.messages()).toEqual([])
  })
})

describe('TSV', () => {
  test('a mark is a character, in the header and alone in a cell', async () => {
    const header = await read('id\t"My" title\n1\tA\n', { name: 'x.tsv', template: '{"My" title}' })
    expect([header.catalog.columns, header.said]).toEqual([['id', '"My" title'], ['A']])
    const alone = await read('id\ttitle\n1\t"\n2\tB\n3\t"\n4\tD\n', { name: 'x.tsv', template: '{title}' })
    expect(alone.said).toEqual(['"', 'B', '"', 'D'])
    expect(alone.catalog).toMatchObject({ quoting: 'none', notes: ['tab-separated', 'no quoting'] })
  })

  test('rekordbox: a list of tracks with a nameless last column', async () => {
    const text =
      '\uFEFF#\tTrack Title\tArtist\tGenre\tBPM\t\r\n1\t"Heroes" (live)\tX\tRock\t112,5\t\r\n2\tPlain\tY\tHouse\t124\t\r\n'
    const { catalog, keys, said } = await read(text, { name: 'r.txt', template: '{Track Title} {Genre}', id: '#' })
    expect([keys, said]).toEqual([
      ['1', '2'],
      ['"Heroes" (live) Rock', 'Plain House'],
    ])
    expect(catalog.delimiter).toBe('\t')
  })

  test.each([
    ['a doubled mark', 'id\ttitle\n1\t"say ""hi"""\n2\tB\n', ['say "hi"', 'B']],
    ['a tab', 'id\ttitle\n1\t"a\tb"\n2\tB\n', ['a b', 'B']],
    ['a line end', 'id\ttitle\n1\t"two\nlines"\n2\tB\n', ['two lines', 'B']],
    ['every cell quoted', '"id"\t"title"\n"1"\t"A"\n"2"\t"B"\n', ['A', 'B']],
    ['every text quoted', '"id"\t"title"\n1\t"A"\n2\t"B"\n', ['A', 'B']],
  ])('quoting as Excel writes it is recognised by %s', async (_, text, said) => {
    const read_ = await read(text, { name: 'x.tsv', template: '{title}' })
    expect(read_.said).toEqual(said)
    expect(read_.catalog).toMatchObject({ quoting: 'csv', notes: ['tab-separated', 'with quoted cells'] })
  })

  test.each([
    ['a title in marks', 'id\ttitle\n1\t"Heroes"\n2\tB\n', ['"Heroes"', 'B']],
    ['marks in the middle beside', 'id\ttitle\n1\t"say ""hi"""\n2\t27" screen\n', ['"say ""hi"""', '27" screen']],
    ['a cell never closed', 'id\ttitle\n1\t"a ""b"""\n2\t"Heroes (live)\n', ['"a ""b"""', '"Heroes (live)']],
  ])('%s is no such evidence', async (_, text, said) => {
    expect(await read(text, { name: 'x.tsv', template: '{title}' })).toMatchObject({
      catalog: { quoting: 'none' },
      said,
    })
  })
})

describe('what every spreadsheet writes', () => {
  test.each([
    ['sep=,\r\nid,title,mood\r\n1,Harbour,calm\r\n', ','],
    ['sep=;\r\nid;title;mood\r\n1;Harbour;calm\r\n', ';'],
    ['"sep=;"\r\nid;title;mood\r\n1;Harbour;calm\r\n', ';'],
    ['sep=\t\r\nid\ttitle\tmood\r\n1\tHarbour\tcalm\r\n', '\t'],
    ['SEP=|\nid|title|mood\n1|Harbour|calm\n', '|'],
  ])('%j', async (text, delimiter) => {
    const { catalog, keys, said } = await read(text)
    expect([keys, said]).toEqual([['1'], ['Harbour calm']])
    expect(catalog).toMatchObject({ delimiter, preamble: `sep=${delimiter}\n` })
    expect(catalog.notes[0]).toBe('separator by its sep= line')
  })

  test('missing cells at the end are empty, empty ones too many are none, others are too many', async () => {
    const short = await read('id,title,mood,notes,url\n1,Harbour,calm,a,b\n2,Alley,dark\n3,Street,happy,x\n4\n')
    expect(short.said).toEqual([
      'Harbour calm',
      'Alley dark',
      'Street happy',
      'line 5: expected text in {title} or {mood}, found none',
    ])
    const rows = 'id,title,mood\n1,Harbour,calm,\n2,Alley,dark, ,\n3,Street,happy,x\n'
    expect((await read(rows)).said).toEqual(['Harbour calm', 'Alley dark', 'line 4: expected 3 cells, found 4'])
    expect((await read('id,title,mood,\n1,Harbour,calm,\n2,Alley,dark,\n')).said).toEqual([
      'Harbour calm',
      'Alley dark',
    ])
  })

  test('nameless columns matter to nobody who does not use them', async () => {
    expect((await read('id,title,mood,,,\n1,Harbour,calm,,,\n')).said).toEqual(['Harbour calm'])
    const pandas = await read(',title,mood\n0,Harbour,calm\n1,Alley,dark\n')
    expect([pandas.keys, pandas.said]).toEqual([
      [null, null],
      ['Harbour calm', 'Alley dark'],
    ])
  })

  test('a repeated column is an error where it is used', async () => {
    const text = 'id,title,notes,mood,notes\n1,Harbour,a,calm,b\n'
    expect((await read(text)).said).toEqual(['Harbour calm'])
    const words = 'names the column "notes", which the catalog has 2 times (columns 3 and 5)'
    expect((await refusal(() => read(text, { template: '{title} {notes}' }))).message).toContain(words)
    expect((await refusal(() => read(text, { id: 'notes' }))).message).toContain(`--id ${words}`)
    expect((await refusal(() => read('id,title,mood,id\n1,a,b,2\n'))).message).toContain(
      'The default of --id names the column "id", which the catalog has 2',
    )
  })

  test('a file of one column has no separator', async () => {
    const { catalog, said } = await read('query\nupbeat, energetic pop\ncalm piano\n', {
      name: 'titles2.txt',
      template: null,
    })
    expect(said).toEqual(['upbeat, energetic pop', 'calm piano'])
    expect(catalog.notes).toEqual(['one column'])
  })

  test.each([
    ['Report generated 2024-01-01\n\nid,title,mood\n1,Harbour,calm\n2,Alley,dark\n', 3],
    ['# Export of My Library\n# 2 tracks, made by X\nid,title,mood\n1,Harbour,calm\n', 3],
    ['My list of tracks\nid;title;mood\n1;Harbour;calm\n', 2],
  ])('a title before the header is recognised, said and kept: %j', async (text, line) => {
    const { catalog, said } = await read(text)
    expect(said[0]).toBe('Harbour calm')
    expect(catalog.notes).toContain(`header on line ${line}`)
    expect(text.startsWith(catalog.preamble)).toBe(true)
    const named = await read(text, { options: { headerRow: line } })
    expect([named.said, named.catalog.preamble]).toEqual([said, catalog.preamble])
  })

  test('takeout: two tables in one file are read from the header that is named', async () => {
    const text =
      'Playlist ID,Channel ID,Time Created,Time Updated,Title,Description,Visibility\n' +
      'PL1,UC1,2020-01-05,2020-01-08,My Music,,Private\n\nVideo ID,Time Added\nabcdefghijk,2020-01-05\n -UGmleXXXXX,2020-01-06\n'
    const wanted = { template: '{Video ID}', id: 'Video ID' }
    expect((await refusal(() => read(text, wanted))).message).toContain('say so: --header-row N')
    const { keys, catalog } = await read(text, { ...wanted, options: { headerRow: 4 } })
    expect(keys).toEqual(['abcdefghijk', '-UGmleXXXXX'])
    expect(catalog.notes).toEqual(['header on line 4'])
    const beyond = await refusal(() => read(text, { ...wanted, options: { headerRow: 9 } }))
    expect(beyond.message).toContain('expected the header on line 9, found 6 lines')
  })

  test('values that mean no value are counted, with examples', async () => {
    const text =
      'id,title,mood\n1,#N/A,calm\n2,NULL,dark\n3,\\N,sad\n4,nan,happy\n5,#REF!,x\n6,N/A,N/A\n7,null,null\n8,Nullarbor,#1 hit!\n'
    const { doubts, said } = await read(text)
    expect(doubts.needsConfirmation).toBe(true)
    expect(doubts.messages()).toEqual([
      '9 values look like "no value" and would be searched as words: ' +
        '#N/A in {title} on line 2, NULL in {title} on line 3, \\N in {title} on line 4, ….',
    ])
    expect(said).toHaveLength(8)
    const empty = await read('id\ttitle\n1\t""\n', { name: 'x.tsv', template: '{title}' })
    expect(empty.doubts.needsConfirmation).toBe(true)
    const other = await read(text, { template: '{id}' })
    expect([other.doubts.needsConfirmation, other.doubts.messages()]).toEqual([false, []])
  })

  test('concat: the header again is no row', async () => {
    const text = '\uFEFFid,title,mood\r\n1,Harbour,calm\r\n\uFEFFid,title,mood\r\n2,Alley,dark\r\n'
    expect((await read(text)).said).toEqual([
      'Harbour calm',
      'line 3: expected a row, found the header again',
      'Alley dark',
    ])
  })

  test('mac-excel: lines end in CR, line ends in cells are LF', async () => {
    const first = await read('id,title,mood\r1,Harbour,calm\r2,"Two\nlines",dark\r3,Pier,sad\r')
    expect(first.said).toEqual(['Harbour calm', 'Two lines dark', 'Pier sad'])
    const second = await read('id,title,mood\r1,"Two\nlines",calm\r2,"Also\ntwo",dark\r3,Pier,sad\r')
    expect(second.said).toEqual(['Two lines calm', 'Also two dark', 'Pier sad'])
  })

  test('lines that end in CR CR LF have no empty rows between them', async () => {
    expect((await read('query\r\r\na\r\r\nb\r\r\n', { template: null })).said).toEqual(['a', 'b'])
  })

  test('semicolon-comma: the rows decide, not the commas of the header', async () => {
    const { catalog, said } = await read('id;title;mood, tempo, key, scale\n1;Harbour;calm\n', {
      template: '{title} {mood, tempo, key, scale}',
    })
    expect([catalog.delimiter, said]).toEqual([';', ['Harbour calm']])
  })

  test('nul-padded: NUL bytes around values are left out', async () => {
    expect((await read('id,title,mood\n1,Harbour\0\0\0,calm\0\0\n')).said).toEqual(['Harbour calm'])
  })
})

describe('names that look alike', () => {
  test.each([
    ['id,Video\u00A0Title,mood\n1,Harbour,calm\n', '{Video Title}'],
    ['id,\u200Btitle,mood\n1,Harbour,calm\n', '{title}'],
    ['id,Name\u0301,mood\n1,Harbour,calm\n', '{Namé}'],
    ['id,Namé,mood\n1,Harbour,calm\n', '{Name\u0301}'],
    ['id,"Video\nTitle",mood\n1,Harbour,calm\n', '{Video Title}'],
    ['\uFEFF\uFEFF"id","title","mood"\n"1","Harbour","calm"\n', '{title}'],
  ])('%j has %s', async (text, template) => {
    const { keys, said } = await read(text, { template: `${template} {mood}` })
    expect([keys, said]).toEqual([['1'], ['Harbour calm']])
  })

  test('the columns stay as they are written, and a name that is nearly one is offered in plain letters', async () => {
    const text = 'id,Video\u00A0 Title,mood\n1,Harbour,calm\n'
    expect((await read(text, { template: '{mood}' })).catalog.columns).toEqual(['id', 'Video\u00A0 Title', 'mood'])
    const { message } = await refusal(() => read(text, { template: '{Vidoe Title}' }))
    expect(message).toContain('Did you mean "Video Title"? The columns are: id, Video Title, mood.')
  })

  test('two that read the same are told apart as they are written, or not at all', async () => {
    const text = 'id,title,title\u200B,mood\n1,a,b,c\n'
    expect((await read(text, { template: '{title}' })).said).toEqual(['a'])
    expect((await read(text, { template: '{title\u200B}' })).said).toEqual(['b'])
    expect((await refusal(() => read(text, { template: '{\u200Btitle}' }))).message).toContain('has 2 times')
  })
})

describe('what an export holds when it is submitted again', () => {
  test('a header that was invalid in the catalog is invalid in its export', async () => {
    const text = 'id,title,trackyard_status,trackyard_error\n1,Pier,tagged,\nid,title,invalid,line 3: a header\n'
    expect((await read(text, { template: '{title}' })).said).toEqual([
      'Pier',
      'line 3: expected a row, found the header again',
    ])
  })

  test.each([
    [
      'a stray mark',
      '"2,""Pier, late",,',
      'line 3: expected a closing quotation mark, found none before the end of the file',
    ],
    ['cells too many', '2,="00,12"', 'line 3: expected 2 cells, found 3'],
    ['lost bytes', '2,Caf\uFFFD', 'line 3: expected utf-8, found the byte E9 at character 6'],
    ['lost bytes of two', '2,Caf\uFFFD', 'line 3: expected shift_jis, found bytes of another encoding on line 4'],
    ['a long row', '2,xxxx', 'line 3: expected a row of at most 16 MB, found one of 17.0 MB'],
  ])('a row that the export made look right stays invalid until its error is emptied: %s', async (_, cells, error) => {
    const quoted = cells.startsWith('2,=') ? '2,"=""00,12"""' : cells.replace(/,,$/, ',')
    const text = (said: string) =>
      `id,title,trackyard_status,trackyard_error\n1,Pier,tagged,\n${quoted},invalid,"${said}"\n`
    const [, still] = (await read(text(error), { template: '{title} {id}' })).said
    expect(still).toBe(`${error} (in an earlier export; clear trackyard_error once the row is corrected)`)
    // The same again: the reason does not grow.
    expect((await read(text(still ?? ''), { template: '{title} {id}' })).said[1]).toBe(still)
    expect((await read(text(''), { template: '{title} {id}' })).said[1]).not.toMatch(/expected/)
  })

  test('a row that was invalid for what it said is searched once it says something else', async () => {
    const error = 'line 3: expected text in {title}, found none'
    const text = `id,title,trackyard_status,trackyard_error\n1,Pier,tagged,\n2,Alley,invalid,"${error}"\n`
    expect((await read(text, { template: '{title}' })).said).toEqual(['Pier', 'Alley'])
  })

  test('separators inside tags do not hide the header below a title', async () => {
    const tags = '"pop; rock; jazz; soul; folk"'
    const text = `Exported by a tool, version 2\nUser: me\n\nid;title;trackyard_moods\n1;a, b;${tags}\n2;c;${tags}\n`
    const { catalog, said } = await read(text, { template: '{title}' })
    expect(catalog.names).toEqual(['id', 'title', 'trackyard_moods'])
    expect(said).toEqual(['a, b', 'c'])
  })
})

test.each([
  ['in a later line', '# made by x\n# on monday, at noon\nid,title\n1,Pier\n2,Alley\n'],
  ['in each line', '# made by x, y\n# on monday, at noon\nid,title\n1,Pier\n2,Alley\n'],
])('comment lines before the header may have separators: %s', async (_, text) => {
  const { keys, said } = await read(text, { template: '{title}' })
  expect(keys).toEqual(['1', '2'])
  expect(said).toEqual(['Pier', 'Alley'])
})

test('comments in a row or two are no title', async () => {
  const { said } = await read('#tag,title\n#rock,Pier\npop,Alley\n', { template: '{title}' })
  expect(said).toEqual(['Pier', 'Alley'])
})

test.each([
  ['| id | title |\n|----|:-----:|\n| 1 | Pier |\n', 'x.md'],
  ['title\n-----\nPier\n', 'x.csv'],
])('a line of dashes below the header is not searched', async (text, name) => {
  const { said } = await read(text, { name, template: '{title}' })
  expect(said).toEqual(['line 2: expected a row, found a line of dashes', 'Pier'])
})

test('="0012", a text for Excel, is searched and named without its marks, and leaves as it came', async () => {
  const text = 'id,title\n="0012","=""Say """"Heroes"""""""\n="0013",="\n'
  const { said, keys } = await read(text, { template: '{title}' })
  expect(said).toEqual(['Say "Heroes"', '="'])
  expect(keys).toEqual(['0012', '0013'])
  const rows = await load(text, { template: '{title}' })
  expect(rows.map(({ row }) => JSON.parse(row))).toEqual([
    ['="0012"', '="Say ""Heroes"""'],
    ['="0013"', '="'],
  ])
})
