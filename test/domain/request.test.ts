import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { canonicalRequest, type Filters, fingerprint } from '../../src/domain/request.js'

const print = (query: string, more: { limit?: number; offset?: number; filters?: Filters } = {}): string =>
  fingerprint(canonicalRequest({ query, ...more }))

describe('equal searches share a fingerprint', () => {
  test.each([
    ['white space around and inside', print('  calm \t piano\n'), print('calm piano')],
    ['Unicode form', print('Cafe\u0301'), print('Caf\u00e9')],
    ['the documented default limit and offset', print('a', { limit: 20, offset: 0 }), print('a')],
    [
      'the order of filter keys',
      print('a', { filters: { min_bpm: 80, genres: ['x'] } }),
      print('a', { filters: { genres: ['x'], min_bpm: 80 } }),
    ],
    [
      'the order of list values',
      print('a', { filters: { moods: ['calm', 'dark'] } }),
      print('a', { filters: { moods: ['dark', 'calm'] } }),
    ],
    [
      'repeats in a list',
      print('a', { filters: { moods: ['calm', 'calm'] } }),
      print('a', { filters: { moods: ['calm'] } }),
    ],
    ['no filters and empty filters', print('a', { filters: {} }), print('a')],
  ])('%s', (_, one, other) => {
    expect(one).toBe(other)
  })
})

describe('what differs is not merged', () => {
  test.each([
    ['letter case', print('Calm'), print('calm')],
    ['limit', print('a', { limit: 5 }), print('a')],
    ['offset', print('a', { offset: 20 }), print('a')],
    ['a filter value', print('a', { filters: { min_bpm: 80 } }), print('a', { filters: { min_bpm: 81 } })],
    ['the type of a value', print('a', { filters: { x: '1' } }), print('a', { filters: { x: 1 } })],
    [
      'a list and its only value',
      print('a', { filters: { moods: ['calm'] } }),
      print('a', { filters: { moods: 'calm' } }),
    ],
    ['an unknown filter', print('a', { filters: { tempo_feel: 'slow' } }), print('a')],
    ['the limit and the offset, exchanged', print('a', { limit: 1, offset: 2 }), print('a', { limit: 2, offset: 1 })],
  ])('%s', (_, one, other) => {
    expect(one).not.toBe(other)
  })
})

test('an undocumented filter is sent as written, order and repeats included', () => {
  const filters = { bpm_range: [120, 90, 90], moods: ['dark', 'calm', 'calm'], near: { moods: ['dark', 'calm'] } }
  expect(canonicalRequest({ query: 'a', filters }).filters).toEqual({
    bpm_range: [120, 90, 90],
    moods: ['calm', 'dark'],
    near: { moods: ['dark', 'calm'] },
  })
})

test('the fingerprints of documented searches stay, so that stored answers are found', () => {
  const filters = {
    moods: ['dark', 'calm', 'dark'],
    genres: ['x', 'caf\u00e9'],
    has_vocals: false,
    min_bpm: 80,
    max_bpm: 90,
  }
  expect(print('calm piano')).toBe('e928f13fe234b60c863843630de06fa1')
  expect(print('calm piano', { limit: 5, offset: 20, filters })).toBe('8b44b2aba71750d44aaad8bff27e44c9')
})

const filterValue = fc.oneof(fc.string(), fc.integer(), fc.boolean(), fc.array(fc.string(), { maxLength: 4 }))
const requests = fc.record({
  query: fc.string({ unit: 'grapheme' }),
  limit: fc.integer({ min: 1, max: 100 }),
  offset: fc.nat(1000),
  filters: fc.dictionary(fc.string(), filterValue, { maxKeys: 4 }),
})

test('the canonical form is its own canonical form', () => {
  fc.assert(
    fc.property(requests, (request) => {
      const once = canonicalRequest(request)
      expect(canonicalRequest(once)).toEqual(once)
      expect(fingerprint(once)).toMatch(/^[0-9a-f]{32}$/)
    }),
  )
})

test('different canonical forms never share a fingerprint', () => {
  fc.assert(
    fc.property(requests, requests, (one, other) => {
      const [a, b] = [canonicalRequest(one), canonicalRequest(other)]
      const same = JSON.stringify(a) === JSON.stringify(b)
      expect(fingerprint(a) === fingerprint(b)).toBe(same)
    }),
  )
})
