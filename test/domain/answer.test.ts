import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { parseTracks, readAnswer } from '../../src/domain/answer.js'

describe('reading an answer', () => {
  test('a documented track is read field by field', () => {
    const track = {
      id: 'trk_abc123',
      title: 'Dawn',
      artist: 'Ana',
      duration_seconds: 181,
      bpm: 92,
      key: 'C minor',
      genre: 'ambient',
      subgenres: ['drone'],
      moods: ['calm', 'warm'],
      has_vocals: false,
      energy_level: 'low',
      instruments: ['piano'],
      preview_url: 'https://example.test/p.mp3',
    }
    expect(parseTracks(JSON.stringify({ tracks: [track], credits_remaining: 7 }))).toEqual([
      {
        id: 'trk_abc123',
        title: 'Dawn',
        artist: 'Ana',
        bpm: 92,
        key: 'C minor',
        genre: 'ambient',
        subgenres: ['drone'],
        moods: ['calm', 'warm'],
        instruments: ['piano'],
        hasVocals: false,
        energyLevel: 'low',
      },
    ])
  })

  test('fields that are missing or of another type are null or empty', () => {
    const body = { tracks: [{ id: 12, title: '  ', bpm: 'fast', moods: ['calm', null, 3, {}], energy_level: 4 }] }
    expect(parseTracks(JSON.stringify(body))).toEqual([
      {
        id: '12',
        title: null,
        artist: null,
        bpm: null,
        key: null,
        genre: null,
        subgenres: [],
        moods: ['calm', '3'],
        instruments: [],
        hasVocals: null,
        energyLevel: '4',
      },
    ])
  })

  test('no tracks found is an answer', () => {
    expect(parseTracks('{"tracks":[]}')).toEqual([])
    expect(readAnswer('{"tracks":[]}')).toEqual({ tracks: 0, tagging: null, creditsRemaining: null })
  })

  test('a byte order mark does not spoil an answer', () => {
    expect(parseTracks('\uFEFF{"tracks":[]}')).toEqual([])
  })

  test.each(['', 'null', '[]', '{}', '<html>', '{"tracks":{}}', '{"tracks":[1]}', '{"tracks":[[]]}', '{"tracks":[{}'])(
    'not an answer: %s',
    (body) => {
      expect(parseTracks(body)).toBeNull()
      expect(readAnswer(body)).toBeNull()
    },
  )

  test.each([
    [41, 41],
    [0, 0],
    [-1, null],
    [1.5, null],
    ['41', 41],
    ['-41', null],
    ['41.5', null],
    [null, null],
  ])('credits_remaining %p is read as %p', (said, read) => {
    expect(readAnswer(JSON.stringify({ tracks: [], credits_remaining: said }))?.creditsRemaining).toBe(read)
  })

  test('of an answer far beyond the document, only so much is read', () => {
    const words = Array.from({ length: 800_000 }, (_, index) => `mood ${index}`)
    const track = { id: 'x'.repeat(5000), title: `${'t'.repeat(999)}😀`, moods: words }
    const body = JSON.stringify({ tracks: [track, ...Array.from({ length: 500 }, () => ({ id: 'y' }))] })
    const tracks = parseTracks(body)
    expect(tracks).toHaveLength(100)
    expect(readAnswer(body)?.tracks).toBe(100)
    expect(tracks?.[0]?.moods).toEqual(words.slice(0, 100))
    expect(tracks?.[0]?.id).toHaveLength(1000)
    // Not half of a character.
    expect(tracks?.[0]?.title).toBe('t'.repeat(999))
  })

  test('NaN and Infinity become null, and stay in strings', () => {
    const body = '{"tracks":[{"id":"NaN \\"Infinity","bpm":NaN,"title":"-Infinity"}],"x":[-Infinity,NaN]}'
    expect(parseTracks(body)?.[0]).toMatchObject({ id: 'NaN "Infinity', bpm: null, title: '-Infinity' })
    expect(parseTracks('{"tracks":[NaN]}')).toBeNull()
    expect(parseTracks('{"tracks":[]}NaN"')).toBeNull()
  })

  test('never throws, and both readers agree about what an answer is', () => {
    const frames = fc.oneof(
      fc.string(),
      fc.json(),
      fc.record({ tracks: fc.array(fc.object()) }).map((v) => JSON.stringify(v)),
    )
    fc.assert(
      fc.property(frames, (body) => {
        expect(readAnswer(body)?.tracks).toBe(parseTracks(body)?.length)
      }),
    )
  })

  test('an absurdly deep body is not an answer instead of a crash', () => {
    expect(parseTracks('['.repeat(200_000))).toBeNull()
  })
})
