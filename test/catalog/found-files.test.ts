import { describe, expect, test } from '@jest/globals'
import { load } from './reading.js'

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
