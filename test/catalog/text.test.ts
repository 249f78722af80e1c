import { gzipSync } from 'node:zlib'
import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import iconv from 'iconv-lite'
import { all, load, openText, rawRows, refusal } from './reading.js'

const bytes = (text: string, encoding: string) => iconv.encode(text, encoding)
const encoded = (text: string, encoding: string, addBOM: boolean) => iconv.encode(text, encoding, { addBOM })
const cells = async (content: Buffer, options: { encoding?: string; chunk?: number } = {}) => {
  const catalog = await openText(content, 'x.csv', options.chunk, options)
  return (await all(catalog.rows())).map((row) => (row.kind === 'cells' ? (row.problem ?? row.cells) : row.problem))
}
const TEXT = 'id,title,mood\n1,Ночь,тихо\n2,"夜の\n港 🎬",静か\n'

describe('what a catalog is encoded in', () => {
  test.each(['utf-8', 'utf-16le', 'utf-16be', 'utf-32le', 'utf-32be'])(
    '%s by its byte order mark',
    async (encoding) => {
      for (const chunk of [1, 7, 1000]) {
        const catalog = await openText(encoded(TEXT, encoding, true), 'x.csv', chunk)
        expect(catalog.byteOrderMark).toBe(true)
        expect((await all(catalog.rows())).map((row) => row.kind === 'cells' && row.cells)).toEqual([
          ['1', 'Ночь', 'тихо'],
          ['2', '夜の\n港 🎬', '静か'],
        ])
      }
    },
  )

  test.each(['utf-16le', 'utf-16be', 'utf-32le', 'utf-32be'])(
    '%s without a mark, by its zero bytes',
    async (encoding) => {
      for (const text of ['id,title\n1,x\n2,y\n', 'id;имя\n1;Ночь в порту и тихая музыка\n', 'имя\nВасилий\nПётр\n']) {
        const catalog = await openText(bytes(text, encoding))
        expect(catalog.notes[0]).toBe(`${encoding} (the export is UTF-8)`)
        expect(catalog.byteOrderMark).toBe(true)
        expect(catalog.columns.join(catalog.delimiter ?? '')).toBe(text.split('\n')[0])
      }
    },
  )

  test('an export has a byte order mark if the catalog is not UTF-8, so that Excel reads both', async () => {
    const legacy = await openText(bytes(TEXT.split('2')[0] ?? '', 'windows-1251'), 'x.csv', 7, { encoding: '1251' })
    expect(legacy.byteOrderMark).toBe(true)
    expect((await openText(Buffer.from(TEXT), 'x.csv', 7, { encoding: 'utf-8' })).byteOrderMark).toBe(false)
  })

  test('zero bytes that fill up columns are left out of queries, and stay in the row', async () => {
    const rows = await load('id,title,mood\n1\0\0,Harbour\0\0\0,calm\0\0\n')
    expect(rows).toMatchObject([{ key: '1', request: { request: { query: 'Harbour music' } } }])
    expect(JSON.parse(rows[0]?.row ?? '')).toEqual(['1\0\0', 'Harbour\0\0\0', 'calm\0\0'])
    const single = await load('id,title\n1,a\0\n', { template: '{title}' })
    expect(single[0]?.request?.request.query).toBe('a')
  })

  test.each([
    ['windows-1251', 'Ночь,тихо'],
    ['cp1251', 'Ночь,тихо'],
    ['WIN-1251', 'Ночь,тихо'],
    ['1251', 'Ночь,тихо'],
    ['koi8-r', 'Ночь,тихо'],
    ['cp866', 'Ночь,тихо'],
    ['mac-cyrillic', 'Ночь,тихо'],
    ['shift_jis', '表参道ソング,静か'],
    ['SJIS', '表参道ソング,静か'],
    ['cp932', '①ソ,静か'],
    ['euc-jp', '夜の港,静か'],
    ['gbk', '夜曲,安静'],
    ['big5', '夜曲,安靜'],
    ['euc-kr', '밤,고요'],
    ['macroman', 'Café “x”,œuvre'],
    ['latin1', 'Don’t – stop,€'],
    ['windows-1252', 'Don’t – stop,€'],
    ['iso-8859-15', 'œuvre,€'],
    ['cp437', 'Café,ñ'],
    ['windows-1250', 'Žluťoučký,kůň'],
    ['utf-16le', 'Ночь,夜'],
  ])('--encoding %s', async (encoding, row) => {
    const name =
      { latin1: 'windows-1252', '1251': 'windows-1251', 'WIN-1251': 'windows-1251', 'mac-cyrillic': 'maccyrillic' }[
        encoding
      ] ?? encoding
    const content = bytes(`title,mood\n${row}\n`, name)
    for (const chunk of [1, 3, 100]) expect(await cells(content, { encoding, chunk })).toEqual([row.split(',')])
  })

  test.each([
    ['windows-1521', 'Did you mean windows-1251?'],
    ['shiftjs', 'Did you mean shift_jis?'],
    ['cp1521', 'Did you mean windows-1251?'],
    ['base64', 'Known are: utf-8, utf-16le'],
    ['', 'expected the name of an encoding, found ""'],
    ['__proto__', 'expected the name of an encoding'],
  ])('--encoding %s is none', async (encoding, words) => {
    const { name, message } = await refusal(() => openText('id,title\n1,x\n', 'x.csv', 100, { encoding }))
    expect([name, message]).toEqual(['CatalogError', expect.stringContaining(words)])
  })

  test('an encoding is named although the file is UTF-8: the plan says so', async () => {
    expect((await openText('title\nCafé\n', 'x.csv', 100, { encoding: 'cp1252' })).notes).toContain(
      'although all of it is valid UTF-8',
    )
    expect((await openText('title\nCafe\n', 'x.csv', 100, { encoding: 'cp1252' })).notes).toEqual([
      'windows-1252 (the export is UTF-8)',
      'one column',
    ])
  })

  test('repeated byte order marks are no part of the first column', async () => {
    expect((await openText('\uFEFF\uFEFF"id","title"\n1,x\n')).columns).toEqual(['id', 'title'])
  })
})

describe('bytes that are no UTF-8, while nobody has said what they are', () => {
  test.each([
    [
      'windows-1251',
      'Ночь',
      'line 3, character 3: expected UTF-8, found the bytes CD EE F7 FC: "Ночь" in windows-1251',
    ],
    ['windows-1251', 'Привет, мир', '"Привет" in windows-1251'],
    ['koi8-r', 'Привет', '"Привет" in koi8-r'],
    ['cp866', 'Привет', '"Привет" in cp866'],
    ['shift_jis', '夜の港', '"夜の港" in shift_jis'],
    ['shift_jis', 'ソング', '"ソング" in shift_jis'],
    ['euc-kr', '조용한 밤', 'in euc-kr'],
    ['gb18030', '安静的夜晚', 'in gb18030'],
    ['macintosh', 'Café Noir', 'line 3, character 6: expected UTF-8, found the byte 8E: "Café Noir" in macintosh'],
    ['windows-1252', 'Señor Coconut', '"Señor Coconut" in windows-1252'],
    ['windows-1252', 'naïve – €5', 'Name the encoding that reads right: --encoding windows-1252'],
    ['windows-1252', 'Don’t stop', '"Don’t stop" in windows-1252'],
    ['windows-1252', 'Mötley Crüe', '"Mötley Crüe" in windows-1252'],
  ])('%s: %s is shown as it would read, with its place and the option', async (encoding, title, words) => {
    const { name, message } = await refusal(() =>
      rawRows(bytes(`id,title\n1,x\n2,"${title}"\n`.replaceAll('"', ''), encoding)),
    )
    expect(name).toBe('CatalogError')
    expect(message).toContain(words)
    expect(message).toMatch(/Name the encoding that reads right: --encoding [\w-]+$/)
    if (words.startsWith('line')) expect(message).toMatch(new RegExp(`--encoding ${encoding}$`))
  })

  test('the place is right wherever it is, also in a line that comes in pieces', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(40), fc.nat(700_000), fc.constantFrom('a', 'é', '夜'), async (lines, width, filler) => {
        const count = Math.floor(width / Buffer.byteLength(filler))
        const content = Buffer.concat([
          Buffer.from(`t\n${'é\n'.repeat(lines)}${filler.repeat(count)}`),
          Buffer.from([0xc3, 0x28, 0x0a]),
        ])
        const { message } = await refusal(() => rawRows(content))
        expect(message).toContain(`line ${lines + 2}, character ${count + 1}: expected UTF-8, found the byte C3`)
      }),
      { numRuns: 25 },
    )
  })

  test('a file of UTF-8 with some other lines: the line, and the option that leaves it out', async () => {
    const content = Buffer.concat([
      Buffer.from('id,title,mood\n1,Café Noir,calm\n2,Niño,dark\n3,Don'),
      Buffer.from([0x92]),
      Buffer.from('t stop,sad\n4,Ünder,happy\n'),
    ])
    const { message } = await refusal(() => rawRows(content))
    expect(message).toContain('line 4, character 6: expected UTF-8, found the byte 92: "Don’t stop" in windows-1252')
    expect(message).toMatch(/Other lines are UTF-8: correct this one, or pass --encoding utf-8 /)
    const rows = await cells(content, { encoding: 'utf-8' })
    expect(rows).toHaveLength(4)
    expect(rows[2]).toBe('expected utf-8, found the byte 92 at character 6')
    const catalog = await openText(content, 'x.csv', 5, { encoding: 'UTF8' })
    expect((await all(catalog.rows())).map((row) => row.problem !== undefined)).toEqual([false, false, true, false])
  })

  test('the option that would garble the other lines is never advised, however far away they are', async () => {
    const content = Buffer.concat([Buffer.from(`title\nCafé\n${'x\n'.repeat(400_000)}`), Buffer.from([0x92, 0x0a])])
    const { message } = await refusal(() => rawRows(content))
    expect(message).toContain('line 400003, character 1: expected UTF-8')
    expect(message).toMatch(/Other lines are UTF-8: correct this one, or pass --encoding utf-8 /)
  })

  test('control characters of windows-1252 read as Latin-1 are named with what was meant', async () => {
    const rows = await load('id,title,mood\n1,Don\u0092t stop,calm\n2,Alley,dark\n')
    expect(rows.map((row) => row.problem)).toEqual([
      'line 2: expected plain text in {title}, found the control character U+0092 (’ in windows-1252): was the text converted from the wrong encoding?',
      null,
    ])
  })
})

describe('rows with bytes that are none of the named encoding', () => {
  test('are invalid one by one, and keep their ids', async () => {
    const content = Buffer.concat([
      bytes('id,title\n1,夜\n2,"a\n', 'shift_jis'),
      Buffer.from([0x81, 0xff]),
      bytes('\nb"\n3,港\n', 'shift_jis'),
    ])
    for (const chunk of [1, 1000]) {
      const rows = await load(content, { encoding: 'sjis', chunk, template: '{title}' })
      expect(rows.map((row) => [row.key, row.request?.request.query ?? row.problem])).toEqual([
        ['1', '夜'],
        ['2', 'line 3: expected shift_jis, found bytes of another encoding on line 4'],
        ['3', '港'],
      ])
    }
  })

  test.each(['utf-16le', 'utf-16be', 'utf-32le'])(
    'half a character at the end of %s is not dropped in silence',
    async (name) => {
      for (const chunk of [1, 1000]) {
        const cut = encoded('id,title\n1,Pier\n2,Alley', name, true).subarray(0, -1)
        const rows = await load(cut, { chunk, template: '{title}' })
        expect(rows.map((row) => row.request?.request.query ?? row.problem)).toEqual([
          'Pier',
          `line 3: expected ${name}, found bytes that are no character: is the file cut off?`,
        ])
      }
    },
  )

  test('in the header nothing can be named: the file is refused', async () => {
    const content = Buffer.concat([Buffer.from('id,t'), Buffer.from([0xe9]), Buffer.from('\n1,x\n')])
    const { message } = await refusal(() => openText(content, 'x.csv', 100, { encoding: 'utf-8' }))
    expect(message).toBe('x.csv, line 1: expected utf-8, found the byte E9 at character 5.')
  })

  test('one in each of many pieces, in JSON Lines', async () => {
    const good = `{"title":"é${'x'.repeat(2000)}"}\n`.repeat(200)
    const bad = Buffer.concat([Buffer.from('{"title":"'), Buffer.from([0xff]), Buffer.from('"}\n')])
    const content = Buffer.concat(Array.from({ length: 4 }, () => Buffer.concat([Buffer.from(good), bad])))
    const catalog = await openText(content, 'x.jsonl', 100_000, { encoding: 'utf-8' })
    const problems = (await all(catalog.rows())).flatMap((row) => (row.problem === undefined ? [] : [row.line]))
    expect(problems).toEqual([201, 402, 603, 804])
  })
})

describe('gzip', () => {
  test('by its magic bytes, whatever its name; members are put together', async () => {
    const packed = Buffer.concat([gzipSync('id,title\n1,Har'), gzipSync('bour\n2,x\n')])
    for (const name of ['x.csv.gz', 'x.csv', 'standard input']) {
      const catalog = await openText(packed, name, 3)
      expect(catalog.notes).toEqual(['gzip'])
      expect((await all(catalog.rows())).map((row) => row.kind === 'cells' && row.cells)).toEqual([
        ['1', 'Harbour'],
        ['2', 'x'],
      ])
    }
    expect(await openText(gzipSync('{"title":"x"}\n'), 'x.jsonl.gz')).toMatchObject({ format: 'jsonl' })
    expect(await openText(gzipSync('a|b\tc\n1\t2\n'), 'x.TSV.GZ')).toMatchObject({ delimiter: '\t' })
    expect((await openText(gzipSync(encoded(TEXT, 'utf-16le', true)), 'x.csv.gz')).notes).toEqual([
      'gzip',
      'utf-16le (the export is UTF-8)',
    ])
  })

  const whole = gzipSync(
    `id,title\n${Array.from({ length: 100_000 }, (_, n) => `${n},${(n * 7919) % 104729}\n`).join('')}`,
  )
  test.each([
    ['cut off', whole.subarray(0, whole.length - 1000), 'expected a whole gzip file, found one that is cut off'],
    ['cut off at once', whole.subarray(0, 5), 'expected a whole gzip file, found one that is cut off'],
    [
      'damaged',
      Buffer.concat([whole.subarray(0, 5000), Buffer.alloc(100, 0xff), whole.subarray(5100)]),
      'found a damaged one',
    ],
    ['with a wrong checksum', Buffer.concat([whole.subarray(0, -8), Buffer.alloc(8)]), 'found a damaged one'],
    ['in another', gzipSync(gzipSync('id\n1\n')), 'found a gzip file inside the gzip file'],
    ['empty', gzipSync(''), 'found an empty file'],
    ['of a zip', gzipSync(Buffer.from('PK\u0003\u0004....')), 'another zip file'],
  ])('%s is refused', async (_, content, words) => {
    const { name, message } = await refusal(async () => all((await openText(content, 'x.csv.gz')).rows()))
    expect([name, message]).toEqual(['CatalogError', expect.stringContaining(words)])
  })
})
