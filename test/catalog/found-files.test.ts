import { describe, expect, test } from '@jest/globals'
import { load, openText, refusal } from './reading.js'

/** Files that somebody handed in, byte for byte. */
const json = { name: 'x.jsonl' }
const lines = (count: number, line: (n: number) => string, last: string) =>
  `${Array.from({ length: count }, (_, n) => `${line(n + 1)}\n`).join('')}${last}\n`

describe('JSON Lines from elsewhere', () => {
  test('ids of 19 digits are two ids and two searches', async () => {
    const text =
      '{"id":1610521604143693812,"title":"Harbour","mood":"calm"}\n{"id":1610521604143693813,"title":"Alley","mood":"dark"}\n'
    const rows = await load(text, { ...json, template: '{id} {title}' })
    expect(rows).toMatchObject([
      { key: '1610521604143693812', request: { request: { query: '1610521604143693812 Harbour' } } },
      { key: '1610521604143693813', request: { request: { query: '1610521604143693813 Alley' } } },
    ])
  })

  test('numbers beyond what JavaScript holds', async () => {
    const text =
      '{"id":1e400,"title":1e400,"mood":"x"}\n{"id":2,"title":0.12345678901234567890,"mood":"y"}\n' +
      '{"id":9007199254740993,"title":"edge","mood":"z"}\n{"id":-0,"title":"neg","mood":"z"}\n'
    const rows = await load(text, { ...json, template: '{title} {mood}' })
    expect(rows.map((row) => [row.key, row.request?.request.query])).toEqual([
      ['1e400', '1e400 x'],
      ['2', '0.12345678901234567890 y'],
      ['9007199254740993', 'edge z'],
      ['-0', 'neg z'],
    ])
  })

  test('a mood, an id and a query that come late', async () => {
    const moods = lines(120, (n) => `{"id":${n},"title":"T${n}"}`, '{"id":121,"title":"Late","mood":"dark"}')
    const mood = await load(moods, { ...json, template: '{title} {mood}' })
    expect([mood.length, mood.at(-1)?.request?.request.query]).toEqual([121, 'Late dark'])
    const ids = lines(120, (n) => `{"title":"T${n}","mood":"m"}`, '{"id":"L1","title":"Late","mood":"m"}')
    expect((await load(ids, json)).at(-1)?.key).toBe('L1')
    const queries = lines(100, (n) => `{"id":${n},"note":"x"}`, '{"id":101,"query":"calm piano"}')
    const own = await load(queries, { ...json, template: null })
    expect([own.filter((row) => row.problem !== null).length, own.at(-1)?.request?.request.query]).toEqual([
      100,
      'calm piano',
    ])
  })

  test('ids of MongoDB', async () => {
    const text =
      '{"_id":{"$oid":"64b0"},"title":"Harbour","mood":"calm"}\n{"_id":{"$oid":"64b1"},"title":"Alley","mood":"dark"}\n'
    expect((await load(text, { ...json, idColumn: '_id' })).map((row) => row.key)).toEqual(['64b0', '64b1'])
  })

  test('half of a character is named with its column; a whole one is none', async () => {
    const text =
      '{"id":1,"title":"Har\\ud83d bour","mood":"calm"}\n{"id":2,"title":"ok \\ud83d\\ude00","mood":"dark"}\n'
    const [half, whole] = await load(text, json)
    expect(half).toMatchObject({
      key: '1',
      problem:
        'line 1: expected plain text in {title}, found half of a character (U+D83D, a surrogate without its partner)',
    })
    expect(whole?.request?.request.query).toBe('ok 😀 music')
  })
})

describe('encodings from elsewhere', () => {
  const BYTES = {
    cp1251: 'aWQsdGl0bGUsbW9vZAoxLM3u9/ws8uj17go=',
    sjis: 'aWQsdGl0bGUsbW9vZAoxLJbpgsyNYCyQw4KpCjIslVyOUZO5g1yDk4NPLJa+gumCogozLInELIp5Cg==',
    shiftjis: 'aWQsdGl0bGUsbW9vZAoxLJbpgsyNYCyQw4KpCg==',
    macroman: 'aWQsdGl0bGUsbW9vZAoxLENhZo4sY2FsbQo=',
    mixed: 'aWQsdGl0bGUsbW9vZAoxLENhZsOpIE5vaXIsY2FsbQoyLE5pw7FvLGRhcmsKMyxEb26SdCBzdG9wLHNhZAo0LMOcbmRlcixoYXBweQo=',
    utf32:
      '//4AAGkAAABkAAAALAAAAHQAAABpAAAAdAAAAGwAAABlAAAALAAAAG0AAABvAAAAbwAAAGQAAAAKAAAAMQAAACwAAABIAAAAYQAAAHIAAABiAAAAbwAAAHUAAAByAAAALAAAAGMAAABhAAAAbAAAAG0AAAAKAAAA',
  }
  const file = (name: keyof typeof BYTES) => Buffer.from(BYTES[name], 'base64')
  const titles = async (name: keyof typeof BYTES, encoding?: string) =>
    (await load(file(name), { template: '{title} {mood}', ...(encoding !== undefined && { encoding }) })).map(
      (row) => row.request?.request.query ?? row.problem,
    )

  test.each([
    ['cp1251', 'windows-1251', ['Ночь тихо']],
    ['sjis', 'shift_jis', ['夜の港 静か', '表参道ソング 明るい', '夏 楽']],
    ['shiftjis', 'shift_jis', ['夜の港 静か']],
    ['macroman', 'macintosh', ['Café calm']],
  ] as const)('%s: the message names the encoding that reads it', async (name, encoding, expected) => {
    const { message } = await refusal(() => titles(name))
    expect(message).toMatch(new RegExp(`line 2, character \\d+: expected UTF-8, .* --encoding ${encoding}$`))
    expect(await titles(name, encoding)).toEqual(expected)
  })

  test('one line of another encoding in UTF-8', async () => {
    const { message } = await refusal(() => titles('mixed'))
    expect(message).toContain('line 4, character 6: expected UTF-8, found the byte 92: "Don’t stop" in windows-1252')
    expect(await titles('mixed', 'utf-8')).toEqual([
      'Café Noir calm',
      'Niño dark',
      'line 4: expected utf-8, found the byte 92 at character 6',
      'Ünder happy',
    ])
  })

  test('UTF-32', async () => {
    expect(await titles('utf32')).toEqual(['Harbour calm'])
  })

  test('NUL bytes that fill up cells', async () => {
    const [row] = await load('id,title,mood\n1,Harbour\0\0\0,calm\0\0\n', { template: '{title} {mood}' })
    expect(row?.request?.request.query).toBe('Harbour calm')
  })

  test('control characters of windows-1252', async () => {
    const rows = await load('id,title,mood\n1,Don\u0092t stop,calm\n2,Alley,dark\n')
    expect(rows.map((row) => row.problem?.slice(0, 50) ?? row.request?.request.query)).toEqual([
      'line 2: expected plain text in {title}, found the ',
      'Alley music',
    ])
  })
})

test.each([
  [
    'page.csv',
    '<!DOCTYPE html><html><head><title>Sign in</title></head><body>Sign in to continue</body></html>\n',
    'a web page',
  ],
  [
    'library.xml',
    '<?xml version="1.0" encoding="UTF-8"?>\n<DJ_PLAYLISTS Version="1.0.0">\n<COLLECTION Entries="1">\n<TRACK TrackID="1" Name="Harbour"/>\n</COLLECTION></DJ_PLAYLISTS>\n',
    'XML',
  ],
  ['lfs.csv', 'version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n', 'a Git LFS pointer'],
  ['err.csv', '{"error":"Access denied","code":403}\n', 'the error that a server answered'],
])('%s is said to be what it is', async (name, text, words) => {
  const { message } = await refusal(() => openText(text, name))
  expect(message).toContain(`${name}: expected a catalog, found ${words}`)
})
