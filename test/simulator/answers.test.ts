import { describe, expect, test } from '@jest/globals'
import { withSimulator } from './setup.js'

interface Tracks {
  readonly tracks: readonly Record<string, unknown>[]
  readonly credits_remaining: number
}

const read = (text: string) => JSON.parse(text) as Tracks
const ids = (text: string) => read(text).tracks.map((track) => track.id)

describe('POST /search', () => {
  test('answers with the documented fields of a track and with the credits left', () =>
    withSimulator({ credits: 10 }, async ({ search }) => {
      const answer = await search({ query: 'calm piano for a museum film', limit: 3 })
      expect(answer.status).toBe(200)
      const { tracks, credits_remaining } = read(answer.text)
      expect(credits_remaining).toBe(9)
      expect(tracks).toHaveLength(3)
      expect(tracks[0]).toEqual({
        id: expect.stringMatching(/^trk_[0-9a-z]+$/),
        title: expect.any(String),
        artist: expect.any(String),
        duration_seconds: expect.any(Number),
        bpm: expect.any(Number),
        key: expect.stringMatching(/^[A-G][b#]? (major|minor)$/),
        genre: 'classical',
        subgenres: expect.arrayContaining([expect.any(String)]),
        moods: expect.arrayContaining(['calm']),
        has_vocals: expect.any(Boolean),
        energy_level: expect.stringMatching(/^(low|medium|high)$/),
        instruments: expect.arrayContaining([expect.any(String)]),
        preview_url: expect.stringMatching(/^https:/),
      })
    }))

  test('gives the same tracks for the same search to two simulators of one seed, and others to another seed', async () => {
    const answers: string[] = []
    for (const seed of [7, 7, 8]) {
      await withSimulator({ seed }, async ({ search }) => {
        await search({ query: `something else first ${answers.length}` })
        answers.push(ids((await search({ query: 'slow blues' })).text).join())
      })
    }
    expect(answers[0]).toBe(answers[1])
    expect(answers[0]).not.toBe(answers[2])
  })

  test('pages of one search follow each other without a repeat and end in an empty one', () =>
    withSimulator({}, async ({ search }) => {
      const whole = ids((await search({ query: 'driving techno', limit: 100 })).text)
      const paged: unknown[] = []
      for (let offset = 0; offset <= 100; offset += 10) {
        paged.push(...ids((await search({ query: 'driving techno', limit: 10, offset })).text))
      }
      expect(paged).toEqual(whole)
      expect(new Set(whole).size).toBe(whole.length)
      expect(ids((await search({ query: 'driving techno', offset: 100 })).text)).toEqual([])
    }))

  test('gives 20 tracks where no limit is asked for, and no more than tracksPerAnswer', async () => {
    await withSimulator({}, async ({ search }) => {
      expect(ids((await search({ query: 'epic trailer' })).text)).toHaveLength(20)
    })
    await withSimulator({ tracksPerAnswer: 2 }, async ({ search }) => {
      expect(ids((await search({ query: 'epic trailer' })).text)).toHaveLength(2)
    })
  })

  test('every track of a filtered search passes the documented filters', () =>
    withSimulator({}, async ({ search }) => {
      const filters = { genres: ['rock'], moods: ['sad'], has_vocals: true, min_bpm: 110, max_bpm: 140, other: 'x' }
      const { tracks } = read((await search({ query: 'anything', limit: 100, filters })).text)
      expect(tracks.length).toBeGreaterThan(0)
      for (const track of tracks) {
        expect(track.has_vocals).toBe(true)
        expect(Number(track.bpm)).toBeGreaterThanOrEqual(110)
        expect(Number(track.bpm)).toBeLessThanOrEqual(140)
        expect(track.genre === 'rock' || (track.moods as string[]).includes('sad')).toBe(true)
      }
    }))

  test('about the configured share of searches matches nothing, and pays for it all the same', () =>
    withSimulator({ noMatchRate: 0.3 }, async ({ simulator, search }) => {
      const answers = await Promise.all(
        Array.from({ length: 200 }, async (_, index) => ids((await search({ query: `song ${index}`, limit: 1 })).text)),
      )
      const empty = answers.filter((tracks) => tracks.length === 0).length
      expect(empty).toBeGreaterThan(30)
      expect(empty).toBeLessThan(90)
      expect(simulator.paid()).toBe(200)
    }))
})

describe('GET /me and GET /usage', () => {
  test('/me tells tier, balance and limits as documented, and costs nothing', () =>
    withSimulator({ tier: 'starter', perMinute: 10, credits: 300 }, async ({ simulator, search, get }) => {
      await search({ query: 'a' })
      const answer = await get('/me')
      expect(JSON.parse(answer.text)).toEqual({
        tier: 'starter',
        credits_remaining: 299,
        monthly_allowance: 300,
        rate_limit: { requests_per_minute: 10, requests_per_day: 1000 },
        created_at: expect.any(String),
        last_used_at: expect.any(String),
      })
      expect(simulator.credits()).toBe(299)
    }))

  test('/me can keep the tier and the limits to itself', () =>
    withSimulator({ accountDetails: false }, async ({ get }) => {
      expect(JSON.parse((await get('/me')).text)).toMatchObject({
        tier: null,
        monthly_allowance: null,
        rate_limit: null,
      })
    }))

  test('/usage pages through the calls, newest first, with what each cost', () =>
    withSimulator({}, async ({ search, get }) => {
      for (const query of ['a', '', 'b']) await search({ query })
      await search({ query: "a stranger, who is in nobody's history" }, 'wrong')
      const first = JSON.parse((await get('/usage?limit=2')).text)
      const second = JSON.parse((await get('/usage?limit=2&offset=2')).text)
      expect(first).toMatchObject({
        usage: [
          { endpoint: '/search', status_code: 200, credits_consumed: 1 },
          { endpoint: '/search', status_code: 400, credits_consumed: 0 },
        ],
        total_count: 3,
        offset: 0,
        limit: 2,
      })
      // The first /usage call is in the history by now, one place ahead of the rest.
      expect(second.usage).toMatchObject([
        { endpoint: '/search', status_code: 400 },
        { endpoint: '/search', status_code: 200, credits_consumed: 1, response_time_ms: expect.any(Number) },
      ])
      expect((await get('/usage?limit=101')).status).toBe(400)
    }))
})
