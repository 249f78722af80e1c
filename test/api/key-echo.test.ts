import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { redactableKey } from '../../src/api/redact.js'
import { http } from './raw-server.js'
import { KEY, withApi } from './setup.js'

const request = { query: 'calm piano', limit: 20, offset: 0 }
const TRACK = { id: 'trk_1', title: 'Café "x"', moods: ['calm'], preview_url: 'https://a.test/p%20q?x=1&amp;y' }

const escapeAll = (write: (code: number) => string) => [...KEY].map((each) => write(each.charCodeAt(0))).join('')
const hex2 = (code: number) => code.toString(16).padStart(2, '0')
const grouped = (sign: string) => (KEY.match(/.{1,4}/g) ?? []).join(sign)

/** Not the key, and no secret less for that. */
const SPELLINGS: readonly (readonly [string, string])[] = [
  ['upper case', KEY.toUpperCase()],
  ['mixed case', [...KEY].map((each, index) => (index % 2 === 0 ? each.toUpperCase() : each)).join('')],
  ['percent, all', escapeAll((code) => `%${hex2(code)}`)],
  ['percent, lower case and some', KEY.replace('_', '%5f').replace('4', '%34')],
  ['percent, twice', KEY.replaceAll('_', '%255F')],
  ['percent in upper case letters', encodeURIComponent(KEY.toUpperCase()).replace('_', '%5F')],
  ['HTML, decimal', escapeAll((code) => `&#${code};`)],
  ['HTML, hexadecimal', escapeAll((code) => `&#x${hex2(code)};`)],
  ['HTML, no semicolons', escapeAll((code) => `&#${code}`)],
  ['HTML, some', KEY.replaceAll('_', '&#95;').replace('f', '&#x66;')],
  ['HTML, by name', KEY.replaceAll('_', '&lowbar;')],
  ['hex', Buffer.from(KEY).toString('hex')],
  ['hex in upper case', Buffer.from(KEY).toString('hex').toUpperCase()],
  ['hex with colons', escapeAll((code) => `${hex2(code)}:`)],
  ['hex with 0x', escapeAll((code) => `0x${hex2(code)}, `)],
  ['\\x escapes', escapeAll((code) => `\\x${hex2(code)}`)],
  ['octal escapes', escapeAll((code) => `\\${code.toString(8).padStart(3, '0')}`)],
  ['\\u escapes, escaped', escapeAll((code) => `\\\\u00${hex2(code)}`)],
  [
    'base64, wrapped',
    Buffer.from(`Authorization: Bearer ${KEY}`)
      .toString('base64')
      .replace(/(.{20})/g, '$1\n'),
  ],
  ['base64 of upper case', Buffer.from(KEY.toUpperCase()).toString('base64')],
  ['groups with spaces', grouped(' ')],
  ['groups with dashes', grouped('-')],
  ['groups with line ends', grouped('\r\n')],
  ['single letters', [...KEY].join(' ')],
  ['its middle', KEY.slice(5, 20)],
  ['codes of its letters', JSON.stringify([...Buffer.from(KEY)])],
]

/** What a reader could make the key of, after all the same treatments. */
function leaks(text: string): boolean {
  const folded = text.toLowerCase().replace(/[^a-z0-9]/g, '')
  const plain = KEY.toLowerCase().replace(/[^a-z0-9]/g, '')
  return [plain, Buffer.from(KEY).toString('hex'), Buffer.from(KEY).join('')].some((form) =>
    folded.includes(form.slice(0, Math.ceil(form.length / 2))),
  )
}

describe.each(SPELLINGS)('the key as a server may echo it: %s', (_, spelling) => {
  test('nothing of it is in an error or in what GET /me says', async () => {
    await withApi(
      http(403, `<p>Bad key <b>${spelling}</b></p>`, { 'x-request-id': `r-${spelling.replace(/[\r\n]+/g, ' ')}` }),
      async (api) => {
        const said = JSON.stringify([await api.search(request), await api.me()])
        expect(said).toContain('[withheld: it repeats the API key]')
        expect(said).not.toContain(spelling)
        expect(leaks(said)).toBe(false)
      },
    )
  })

  test('an answer is kept without it, tracks and all', async () => {
    const body = { tracks: [TRACK], debug: { headers: [{ sent: spelling }] }, credits_remaining: 41 }
    await withApi(http(200, body), async (api) => {
      const { outcome, facts } = await api.search(request)
      expect(outcome).toMatchObject({ kind: 'answered', tracks: 1 })
      expect(facts.creditsRemaining).toBe(41)
      const kept = outcome.kind === 'answered' ? JSON.parse(outcome.body) : null
      expect(kept.tracks).toEqual([TRACK])
      expect(JSON.stringify(kept)).not.toContain(JSON.stringify(spelling).slice(1, -1))
      expect(leaks(JSON.stringify(kept))).toBe(false)
    })
  })
})

describe('a text without the key stays unchanged', () => {
  const key = redactableKey(KEY)
  test.each([
    ['an answer with escapes', JSON.stringify({ tracks: [TRACK] })],
    ['the prefix of all keys', '{"message":"keys begin with tk_live_"}'],
    ['ids in hexadecimal', Array.from({ length: 200 }, (_, index) => (index * 2654435761).toString(16)).join(',')],
  ])('%s', (_, text) => {
    expect(key.redact(text)).toBe(text)
  })

  test('any text', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json(), fc.webUrl()), (text) => {
        expect(key.redact(text)).toBe(text)
      }),
    )
  })

  test('a short key of words is replaced only where it stands', () => {
    expect(redactableKey('my-music').redact('My Music, my-music')).toBe('My Music, [key]')
  })
})

test('wherever it is, among whatever else, the key is found', () => {
  const key = redactableKey(KEY)
  const signs = ['', ' ', '-', '", "', '日本', '_', '.']
  fc.assert(
    fc.property(
      fc.string({ maxLength: 60 }),
      fc.string({ maxLength: 60 }),
      fc.constantFrom(...signs),
      fc.boolean(),
      (before, after, sign, isUpper) => {
        const spelled = [...(isUpper ? KEY.toUpperCase() : KEY)].join(sign)
        const clean = key.redact(`${before} ${spelled} ${after}`)
        expect(leaks(clean)).toBe(false)
        expect(clean).toMatch(/\[key\]|\[withheld/)
      },
    ),
    { numRuns: 500 },
  )
})

test.each(['key/with+signs=and%more.12', 'a"quoted\\key-1234567', 'äöü-key-12345678901234'])(
  'a key with signs, %s, is replaced in every whole form',
  (text) => {
    const key = redactableKey(text)
    const escaped = [...text].map((each) => `\\u${(each.codePointAt(0) ?? 0).toString(16).padStart(4, '0')}`).join('')
    for (const form of [text, encodeURIComponent(text), JSON.stringify(text).slice(1, -1), escaped])
      expect(key.redact(`It was <${form}>.`)).toBe('It was <[key]>.')
    expect(key.redact(Buffer.from(`${text}`).toString('base64'))).not.toContain(
      Buffer.from(text).toString('base64').slice(0, 12),
    )
  },
)

test('a page of escapes, and JSON of any depth, changes nothing', () => {
  const key = redactableKey(KEY)
  const deep = `${'['.repeat(50_000)}"${KEY.toUpperCase()}"${']'.repeat(50_000)}`
  expect(key.redact(deep)).toBe('[withheld: it repeats the API key]')
  const page = '%25'.repeat(200_000)
  expect(key.redact(page)).toBe(page)
})
