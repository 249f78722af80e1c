import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { gzipSync } from 'node:zlib'
import { describe, expect, test } from '@jest/globals'
import { MAX_BODY_BYTES, openApi } from '../../src/api/client.js'
import { http } from './raw-server.js'
import { answered, defaults, withApi } from './setup.js'

const request = { query: 'calm piano', limit: 20, offset: 0 }
const whole = '{"tracks":[{"id":"trk_1"}]}'

describe('when nothing can have been sent, nothing can have been paid', () => {
  test('connection refused', async () => {
    const api = openApi(defaults('http://127.0.0.1:1'))
    expect((await api.search(request)).outcome).toMatchObject({
      kind: 'transient',
      reason: 'connection refused',
      status: null,
      maybePaid: false,
    })
    expect(await api.me()).toEqual({ kind: 'failed', reason: 'connection refused' })
    await api.close()
  })

  test('a name that does not exist', async () => {
    // A label of more than 63 letters: no name server is asked, which may take its time.
    const api = openApi(defaults(`http://${'x'.repeat(64)}.invalid`))
    expect((await api.search(request)).outcome).toMatchObject({ kind: 'transient', maybePaid: false })
    await api.close()
  })

  test('a server that does not speak TLS', async () => {
    const server = createServer((socket) => {
      socket.on('error', () => {})
      socket.once('data', () => socket.end('no TLS here'))
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const api = openApi(defaults(`https://127.0.0.1:${(server.address() as AddressInfo).port}`))
    const { outcome } = await api.search(request)
    await api.close()
    server.close()
    await once(server, 'close')
    expect(outcome).toMatchObject({ kind: 'transient', maybePaid: false })
    expect(outcome.kind === 'transient' && outcome.reason).not.toContain('no complete answer')
  })

  test('a connection that is not ready at the deadline is never used', async () => {
    // The handshake of TLS is never answered.
    const server = createServer((socket) => void socket.on('error', () => {}).resume()).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const port = (server.address() as AddressInfo).port
    const api = openApi({ ...defaults(`https://127.0.0.1:${port}`), timeoutMs: 50 })
    const { outcome } = await api.search(request)
    await api.close()
    server.close()
    await once(server, 'close')
    expect(outcome).toMatchObject({ kind: 'transient', reason: 'no connection within 50 ms', maybePaid: false })
  })

  test('a client that is closed', async () => {
    const api = openApi(defaults('http://127.0.0.1:9'))
    await api.close()
    expect((await api.search(request)).outcome).toMatchObject({ kind: 'transient', maybePaid: false })
  })
})

describe('what was sent may be paid for', () => {
  test('a server that never answers is given up at the deadline', async () => {
    await withApi(
      () => {},
      async (api) => {
        expect(await api.search(request)).toMatchObject({
          outcome: { kind: 'transient', reason: 'no complete answer within 1000 ms', status: null, maybePaid: true },
          facts: { status: null },
        })
      },
      { timeoutMs: 1000 },
    )
  })

  test('a server that resets the connection after the request', async () => {
    await withApi(
      (socket) => socket.destroy(),
      async (api) => {
        const { outcome } = await api.search(request)
        expect(outcome).toMatchObject({ kind: 'transient', reason: 'connection lost', maybePaid: true })
      },
    )
  })

  test('a 200 that drips is cut at the deadline, however steadily it drips, and kept as far as it came', async () => {
    await withApi(
      (socket) => {
        socket.write('HTTP/1.1 200 X\r\ncontent-length: 100000\r\n\r\nx')
        const dripping = setInterval(() => socket.write('x'), 10)
        socket.once('close', () => clearInterval(dripping))
      },
      async (api) => {
        const { outcome, facts } = await api.search(request)
        expect(outcome).toMatchObject({
          kind: 'unreadable',
          body: expect.stringMatching(/^x+$/),
          problem:
            'expected JSON with a list of tracks, found only the beginning, cut off: no complete answer within 4000 ms (HTTP 200)',
        })
        expect(facts.status).toBe(200)
      },
      { timeoutMs: 4000 },
    )
  })

  test('headers of a 200 that drip are cut at the deadline too, and not bought again', async () => {
    await withApi(
      (socket) => socket.write('HTTP/1.1 200 X\r\ncontent-'),
      async (api) => {
        expect((await api.search(request)).outcome).toMatchObject({
          kind: 'unreadable',
          status: 200,
          body: '',
          problem: expect.stringContaining('nothing of it, cut off: no complete answer within 1000 ms'),
        })
      },
      { timeoutMs: 1000 },
    )
  })

  test.each([
    ['in the middle of the body', whole.slice(0, 12), 'only the beginning'],
    ['behind its head', '', 'nothing of it'],
  ])(
    'a 200 whose connection is lost %s is unreadable: kept as far as it came, never asked again unasked',
    async (_, part, found) => {
      await withApi(
        (socket) => socket.end(`HTTP/1.1 200 X\r\ncontent-length: 500\r\n\r\n${part}`),
        async (api) => {
          expect(await api.search(request)).toMatchObject({
            outcome: {
              kind: 'unreadable',
              body: part,
              problem: `expected JSON with a list of tracks, found ${found}, cut off: connection lost (HTTP 200)`,
            },
            facts: { status: 200 },
          })
        },
      )
    },
  )

  test('a 200 that is cut after the last byte of its answer is an answer', async () => {
    await withApi(
      (socket) => socket.end(`HTTP/1.1 200 X\r\ncontent-length: 500\r\n\r\n${whole}`),
      async (api) => {
        expect((await api.search(request)).outcome).toEqual(answered(whole))
      },
    )
  })

  test('a 200 over the size cap is kept as far as it was read', async () => {
    const body = 'x'.repeat(MAX_BODY_BYTES + 10)
    await withApi(
      (socket) => socket.write(http(200, body)),
      async (api) => {
        const { outcome } = await api.search(request)
        expect(outcome.kind === 'unreadable' && outcome.problem).toContain('found more than 4194304 bytes (HTTP 200)')
        expect(outcome.kind === 'unreadable' && outcome.body.length).toBe(MAX_BODY_BYTES)
      },
    )
  })

  test('an answer that a proxy has compressed unasked is read', async () => {
    const packed = gzipSync(whole)
    await withApi(
      (socket) => {
        socket.write(`HTTP/1.1 200 X\r\ncontent-encoding: gzip\r\ncontent-length: ${packed.length}\r\n\r\n`)
        socket.write(packed)
      },
      async (api) => {
        expect((await api.search(request)).outcome).toEqual(answered(whole))
      },
    )
  })

  test('something that is not HTTP', async () => {
    await withApi(
      (socket) => socket.end('SSH-2.0-OpenSSH_9.2\r\n'),
      async (api) => {
        expect((await api.search(request)).outcome).toMatchObject({ kind: 'transient', maybePaid: true })
      },
    )
  })
})

test('a 503 that is cut in the middle was free', async () => {
  await withApi(
    (socket) => socket.end('HTTP/1.1 503 X\r\nretry-after: 3\r\ncontent-length: 500\r\n\r\n<html>'),
    async (api) => {
      expect((await api.search(request)).outcome).toMatchObject({
        kind: 'transient',
        status: 503,
        retryAfterMs: 3000,
        maybePaid: false,
      })
    },
  )
})

test('after a cut connection the next call goes through', async () => {
  let calls = 0
  await withApi(
    (socket) => (++calls === 1 ? socket.destroy() : socket.write(http(200, whole))),
    async (api) => {
      expect((await api.search(request)).outcome.kind).toBe('transient')
      expect((await api.search(request)).outcome.kind).toBe('answered')
    },
  )
})

test('close waits for the call in flight', async () => {
  const held: Socket[] = []
  await withApi(
    (socket) => held.push(socket),
    async (api, server) => {
      const call = api.search(request)
      await server.received(1)
      const closed = api.close()
      held[0]?.write(http(200, whole))
      expect((await call).outcome.kind).toBe('answered')
      await closed
    },
  )
})
