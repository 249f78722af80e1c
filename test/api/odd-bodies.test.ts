import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync } from 'node:zlib'
import { describe, expect, test } from '@jest/globals'
import { MAX_BODY_BYTES } from '../../src/api/client.js'
import { answered, withApi } from './setup.js'

const request = { query: 'calm piano', limit: 20, offset: 0 }
const text = '{"tracks":[{"id":"t1","artist":"Café"}],"credits_remaining":41}'
const kept = answered(text)
const zstd = Buffer.concat([Buffer.from([0x28, 0xb5, 0x2f, 0xfd]), Buffer.from(text)])

async function callWith(body: Buffer | string, headers: readonly string[] = [], status = 200) {
  const bytes = Buffer.from(body)
  const head = [`HTTP/1.1 ${status} X`, `content-length: ${bytes.length}`, ...headers, '', ''].join('\r\n')
  let outcome: unknown
  await withApi(
    (socket) => void socket.end(Buffer.concat([Buffer.from(head), bytes])),
    async (api) => {
      outcome = (await api.search(request)).outcome
    },
  )
  return outcome
}

describe('a paid answer in another encoding is read', () => {
  test.each<[string, Buffer, string[]]>([
    ['raw deflate', deflateRawSync(text), ['content-encoding: deflate']],
    ['deflate', deflateSync(text), ['content-encoding: deflate']],
    ['GZIP in capitals', gzipSync(text), ['Content-Encoding: GZIP']],
    ['gzip, identity', gzipSync(text), ['content-encoding: GZIP, identity']],
    ['identity, gzip on two lines', gzipSync(text), ['content-encoding: identity', 'content-encoding: gzip']],
    ['gzip twice', gzipSync(gzipSync(text)), ['content-encoding: gzip, gzip']],
    ['br in gzip', gzipSync(brotliCompressSync(text)), ['content-encoding: br, gzip']],
    ['gzip that no header names', gzipSync(text), []],
    ['gzip in gzip, one named', gzipSync(gzipSync(text)), ['content-encoding: gzip']],
    ['gzip without its last bytes', gzipSync(text).subarray(0, -8), ['content-encoding: gzip']],
    ['no gzip, though the header says so', Buffer.from(text), ['content-encoding: gzip']],
    ['latin-1', Buffer.from(text, 'latin1'), ['content-type: application/json; charset=ISO-8859-1']],
    ['a quoted charset', Buffer.from(text, 'latin1'), ['content-type: application/json;Charset="latin1"']],
    ['UTF-16', Buffer.from(text, 'utf16le'), ['content-type: application/json; charset=utf-16le']],
    ['a charset that nobody knows', Buffer.from(text), ['content-type: application/json; charset=klingon']],
  ])('%s', async (_, body, headers) => {
    expect(await callWith(body, headers)).toEqual(kept)
  })

  test('UTF-16 by its byte order mark', async () => {
    expect(await callWith(Buffer.from(`\uFEFF${text}`, 'utf16le'))).toMatchObject({ kind: 'answered', tracks: 1 })
  })

  test.each([
    ['a byte order mark', `\uFEFF${text}`, 200],
    ['a newline at its end', `${text}\n`, 200],
    ['NaN where a number belongs', '{"tracks":[{"id":"t","bpm":NaN,"x":-Infinity}]}', 200],
    ['credits as a text', '{"tracks":[{"id":"t"}],"credits_remaining":"41"}', 200],
    ['status 201', text, 201],
  ])('%s', async (_, body, status) => {
    expect(await callWith(body, [], status)).toEqual(answered(body))
  })
})

describe('a paid answer that cannot be read is kept, and the message says what was found', () => {
  test.each([
    ['an empty 204', '', 204, 'an empty body'],
    ['HTML', '<html><title>Down</title></html>', 200, 'HTML'],
    ['an error', '{"error":"Internal error","code":"oops"}', 200, 'JSON of an error: Internal error'],
    ['a list', '[1]', 200, 'JSON that is a list'],
    ['tracks that are null', '{"tracks":null}', 200, 'JSON whose "tracks" is null'],
    ['tracks in a wrapper', '{"data":{"tracks":[]}}', 200, 'JSON whose "tracks" are inside "data"'],
    ['tracks that are numbers', '{"tracks":[1]}', 200, 'JSON whose "tracks" are not all objects'],
    ['other JSON', '{"results":[]}', 200, 'JSON without "tracks"'],
    ['half a JSON', '{"tracks":[', 200, 'no JSON'],
  ])('%s', async (_, body, status, found) => {
    expect(await callWith(body, [], status)).toEqual({
      kind: 'unreadable',
      status,
      body,
      problem: `expected JSON with a list of tracks, found ${found} (HTTP ${status})`,
    })
  })

  test('a body in zstd is kept byte for byte, and the encoding is named', async () => {
    const outcome = await callWith(zstd, ['content-encoding: zstd', 'content-type: application/json'])
    expect(outcome).toMatchObject({
      kind: 'unreadable',
      body: `data:application/json;base64,${zstd.toString('base64')}`,
      problem: expect.stringContaining('found a body in the encoding "zstd", which is not known here'),
    })
  })

  test('a bomb is not unpacked beyond the limit', async () => {
    const bomb = gzipSync(Buffer.alloc(MAX_BODY_BYTES * 20))
    expect(await callWith(bomb, ['content-encoding: gzip'])).toMatchObject({
      kind: 'unreadable',
      body: expect.stringMatching(/^data:;base64,/),
      problem: expect.stringContaining(`found gzip of more than ${MAX_BODY_BYTES} bytes`),
    })
  })
})
