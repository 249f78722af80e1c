import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { describe, expect, test } from '@jest/globals'
import { openApi } from '../../src/api/client.js'
import { http } from './raw-server.js'
import { answered, defaults, withApi } from './setup.js'

const request = { query: 'calm piano', limit: 20, offset: 0 }
const whole = '{"tracks":[{"id":"trk_1"}]}'
const size = whole.length
const kept = answered(whole)

/** Raw bytes for one call, and the connection's end. */
async function callWith(bytes: string | Buffer, end = true) {
  let result: Awaited<ReturnType<ReturnType<typeof openApi>['search']>> | undefined
  await withApi(
    (socket) => void (end ? socket.end(bytes) : socket.write(bytes)),
    async (api, server) => {
      result = await api.search(request)
      expect(server.requests).toHaveLength(1)
    },
    { timeoutMs: 1500 },
  )
  if (result === undefined) throw new Error('no result')
  return result
}

describe('an answer that is paid for is an answer, however it is dressed', () => {
  const padding = Array.from({ length: 500 }, (_, index) => `x-filler-${index}: ${'y'.repeat(180)}\r\n`).join('')
  test.each([
    ['behind 100 Continue', `HTTP/1.1 100 Continue\r\n\r\n${http(200, whole)}`],
    ['behind 103 and 102', `HTTP/1.1 103 Early\r\nlink: </a>\r\n\r\nHTTP/1.1 102 P\r\n\r\n${http(200, whole)}`],
    ['behind forty greetings', `${'HTTP/1.1 100 Continue\r\n\r\n'.repeat(40)}${http(200, whole)}`],
    ['with 95 KB of headers', `HTTP/1.1 200 X\r\ncontent-length: ${size}\r\n${padding}\r\n${whole}`],
    ['with its length twice', `HTTP/1.1 200 X\r\ncontent-length: ${size}\r\nContent-Length: ${size}\r\n\r\n${whole}`],
    ['with two lengths', `HTTP/1.1 200 X\r\ncontent-length: ${size}\r\ncontent-length: 5\r\n\r\n${whole}`],
    [
      'with a length and chunks',
      `HTTP/1.1 200 X\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n${size.toString(16)}\r\n${whole}\r\n0\r\n\r\n`,
    ],
    ['with control bytes in a header', `HTTP/1.1 200 X\r\nx-a: a\x01b\x7f\r\ncontent-length: ${size}\r\n\r\n${whole}`],
    ['with a folded header', `HTTP/1.1 200 X\r\nx-a: a\r\n  b\r\ncontent-length: ${size}\r\n\r\n${whole}`],
    ['with a header name that is none', `HTTP/1.1 200 X\r\nx a: b\r\ncontent-length: ${size}\r\n\r\n${whole}`],
    ['without a length, until the end', `HTTP/1.1 200 X\r\n\r\n${whole}`],
    ['of HTTP/1.0', `HTTP/1.0 200 OK\r\n\r\n${whole}`],
    ['with a length that is too short', `HTTP/1.1 200 X\r\ncontent-length: 5\r\n\r\n${whole}`],
    ['with a length that is too long', `HTTP/1.1 200 X\r\ncontent-length: 999\r\n\r\n${whole}`],
    ['with a length that is no number', `HTTP/1.1 200 X\r\ncontent-length: many\r\n\r\n${whole}`],
    ['with bare line feeds', `HTTP/1.1 200 X\ncontent-length: ${size}\n\n${whole}`],
    [
      'with chunks that never end',
      `HTTP/1.1 200 X\r\ntransfer-encoding: chunked\r\n\r\n${size.toString(16)}\r\n${whole}`,
    ],
    ['behind stray bytes', `\0junk${http(200, whole)}`],
    ['behind the end of other chunks', `0\r\n\r\n${http(200, whole)}`],
    ['with its protocol in small letters', `http/1.1 200 ok\r\ncontent-length: ${size}\r\n\r\n${whole}`],
    ['followed by garbage', `${http(200, whole)}\0garbage`],
    [
      'in chunks, followed by garbage',
      `HTTP/1.1 200 X\r\ntransfer-encoding: chunked\r\n\r\n${size.toString(16)}\r\n${whole}\r\n0\r\n\r\n\0garbage`,
    ],
    ['followed by another response', `${http(200, whole)}${http(200, '{"tracks":[]}')}`],
  ])('%s', async (_, bytes) => {
    expect((await callWith(bytes)).outcome).toEqual(kept)
  })

  test('in two pieces around a greeting', async () => {
    await withApi(
      (socket) => {
        socket.write('HTTP/1.1 100 Con')
        setImmediate(() => socket.write(`tinue\r\n\r\n${http(200, whole)}`))
      },
      async (api) => expect((await api.search(request)).outcome).toEqual(kept),
    )
  })

  test('followed by a reset', async () => {
    await withApi(
      (socket) => socket.write(http(200, whole), () => setTimeout(() => socket.resetAndDestroy(), 5)),
      async (api) => expect((await api.search(request)).outcome).toEqual(kept),
    )
  })

  test('facts are read from the headers of a response that the parser refuses', async () => {
    const { outcome, facts } = await callWith(
      'HTTP/1.1 429 X\r\nretry-after: 7\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{}',
    )
    expect(outcome).toMatchObject({ kind: 'rate_limited', retryAfterMs: 7000 })
    expect(facts.status).toBe(429)
  })
})

describe('once a 200 has begun, it is never bought again unasked', () => {
  test.each([
    ['lost within its status', 'HTTP/1.1 2', ''],
    ['lost within its headers', 'HTTP/1.1 200 OK\r\nContent-Ty', ''],
    ['lost within its headers, behind a greeting', 'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Ty', ''],
    ['with chunks that are none', 'HTTP/1.1 200 X\r\ntransfer-encoding: chunked\r\n\r\nzz\r\nhalf', 'zz\r\nhalf'],
    ['with more than 1 MB of headers', `HTTP/1.1 200 X\r\nx: ${'y'.repeat(1_100_000)}\r\n\r\n{`, null],
  ])('a 200 %s is unreadable', async (_, bytes, body) => {
    const { outcome, facts } = await callWith(bytes)
    expect(outcome).toMatchObject({ kind: 'unreadable', status: 200, problem: expect.stringContaining('cut off: ') })
    if (body !== null) expect(outcome).toMatchObject({ body })
    expect(facts.status).toBe(200)
  })

  test('a 200 that is reset within its headers is unreadable', async () => {
    await withApi(
      (socket) => socket.write('HTTP/1.1 200 OK\r\nContent-', () => setTimeout(() => socket.resetAndDestroy(), 50)),
      async (api) => {
        expect((await api.search(request)).outcome).toMatchObject({
          kind: 'unreadable',
          problem: expect.stringContaining('connection lost'),
        })
      },
    )
  })

  test.each([
    ['a 503 that is lost within its headers', 'HTTP/1.1 503 X\r\nretry-af', { status: 503, maybePaid: false }],
    ['a greeting and nothing else', 'HTTP/1.1 100 Continue\r\n\r\n', { status: null, maybePaid: true }],
    ['no HTTP at all', '\u0016\u0003\u0001 hello', { status: null, maybePaid: true }],
  ])('%s is no answer', async (_, bytes, expected) => {
    expect((await callWith(bytes)).outcome).toMatchObject({ kind: 'transient', ...expected })
  })
})

describe('an answer is never that of another call', () => {
  test('a server that repeats every answer shifts none', async () => {
    let calls = 0
    await withApi(
      (socket) => {
        calls += 1
        const bytes = http(200, { tracks: [{ id: `trk_${calls}` }] })
        socket.write(bytes + bytes)
      },
      async (api, server) => {
        const seen: string[] = []
        for (let call = 1; call <= 20; call += 1) {
          const { outcome } = await api.search(request)
          seen.push(outcome.kind === 'answered' ? outcome.body : outcome.kind)
        }
        expect(seen).toEqual(Array.from({ length: 20 }, (_, index) => `{"tracks":[{"id":"trk_${index + 1}"}]}`))
        expect(server.requests).toHaveLength(20)
      },
    )
  })

  test('forty calls at a time through a server that repeats get each its own', async () => {
    await withApi(
      (socket, text) => {
        const { query } = JSON.parse(text.split('\r\n\r\n')[1] ?? '') as { query: string }
        const bytes = http(200, { tracks: [{ id: query }] })
        socket.write(bytes + bytes)
      },
      async (api) => {
        const queries = Array.from({ length: 40 }, (_, index) => `row ${index}`)
        const bodies = await Promise.all(
          queries.map(async (query) => {
            const { outcome } = await api.search({ ...request, query })
            return outcome.kind === 'answered' ? outcome.body : outcome.kind
          }),
        )
        expect(bodies).toEqual(queries.map((query) => JSON.stringify({ tracks: [{ id: query }] })))
      },
    )
  })
})

describe('a server that closes idle connections', () => {
  test.each([
    ['5 ms', () => 5],
    ['50 ms', () => 50],
    ['up to 20 ms', () => Math.ceil(Math.random() * 20)],
  ])('of 200 calls around an idle time of %s, none fails', async (_, idleMs) => {
    const kinds = new Map<string, number>()
    await withApi(
      (socket) => {
        socket.write(http(200, whole))
        socket.setTimeout(idleMs(), () => socket.destroy())
      },
      async (api, server) => {
        for (let round = 0; round < 20; round += 1) {
          const results = await Promise.all(Array.from({ length: 10 }, () => api.search(request)))
          for (const { outcome } of results) kinds.set(outcome.kind, (kinds.get(outcome.kind) ?? 0) + 1)
          // The moment at which a kept connection would be closed.
          await new Promise((resolve) => setTimeout(resolve, idleMs()))
        }
        expect([...kinds]).toEqual([['answered', 200]])
        expect(server.requests).toHaveLength(200)
      },
    )
  })

  test.each([
    ['closes', (socket: Socket) => socket.destroy()],
    ['speaks on', (socket: Socket) => socket.write('HTTP/1.1 408 Timeout\r\nconnection: close\r\n\r\n')],
  ])('a connection that it %s before the request is replaced', async (_, spoil) => {
    let connections = 0
    const requests: string[] = []
    const server = createServer((socket) => {
      socket.on('error', () => {})
      connections += 1
      if (connections <= 2) {
        spoil(socket)
        return
      }
      socket.on('data', (bytes) => {
        requests.push(bytes.toString())
        socket.end(http(200, whole))
      })
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const api = openApi(defaults(`http://127.0.0.1:${(server.address() as AddressInfo).port}`))
    const { outcome } = await api.search(request)
    await api.close()
    server.close()
    expect(outcome).toEqual(kept)
    expect([connections, requests.length]).toEqual([3, 1])
  })

  test('a server that always sends data first is reported, and nothing was paid', async () => {
    const server = createServer((socket) => {
      socket.on('error', () => {})
      socket.write('SSH-2.0-OpenSSH_9.2\r\n')
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const api = openApi(defaults(`http://127.0.0.1:${(server.address() as AddressInfo).port}`))
    const { outcome } = await api.search(request)
    await api.close()
    server.close()
    expect(outcome).toMatchObject({
      kind: 'transient',
      reason: 'the server closed the connection, or sent data, before the request',
      maybePaid: false,
    })
  })
})
