import { getEventListeners, once } from 'node:events'
import { createServer as createHttpServer, type IncomingMessage } from 'node:http'
import type { Server } from 'node:net'
import { connect as connectTls, createServer as createTlsServer } from 'node:tls'
import { describe, expect, test } from '@jest/globals'
import { type Api, openApi } from '../../src/api/client.js'
import { connector, isRefusedHandshake, networkProblem } from '../../src/api/connect.js'
import { proxyServer, withServer } from '../support/connect-proxy.js'
import { type Certificate, selfSigned } from './certificate.js'
import { http, openRawServer } from './raw-server.js'
import { defaults, KEY } from './setup.js'

const request = { query: 'calm piano', limit: 20, offset: 0 }
const whole = '{"tracks":[{"id":"trk_1"}]}'

function tlsServer(certificate: Certificate): Server {
  const server = createTlsServer(certificate, (socket) => {
    socket.on('error', () => {})
    socket.on('data', () => socket.end(http(200, whole)))
  })
  server.on('tlsClientError', () => {})
  return server
}

async function outcomeOfCall(api: Api) {
  const { outcome } = await api.search(request)
  await api.close()
  return outcome
}

test('an open connection listens to its signal no more, which may be that of a long life', async () => {
  await withServer(createHttpServer(), async (port) => {
    const { signal } = new AbortController()
    const socket = await connector(new URL(`http://127.0.0.1:${port}`), null)(signal)
    expect(getEventListeners(signal, 'abort')).toEqual([])
    socket.destroy()
  })
})

describe('a certificate that is not trusted is named, and nothing was paid', () => {
  test('a private authority', async () => {
    await withServer(tlsServer(selfSigned({ host: 'localhost' })), async (port) => {
      const outcome = await outcomeOfCall(openApi(defaults(`https://localhost:${port}`)))
      expect(outcome).toMatchObject({
        kind: 'transient',
        maybePaid: false,
        reason: expect.stringMatching(/^TLS: the certificate comes from an unknown authority .* NODE_EXTRA_CA_CERTS /),
      })
    })
  })

  test.each([
    ['expired', { host: 'localhost', fromDay: -9, toDay: -1 }, 'TLS: the certificate has expired'],
    ['not valid yet', { host: 'localhost', fromDay: 5 }, 'TLS: the certificate is not valid yet'],
    ['of another host', { host: 'elsewhere.test' }, 'TLS: the certificate is for another host'],
  ])('%s', async (_, options, expected) => {
    const certificate = selfSigned(options)
    const problem = await withServer(tlsServer(certificate), async (port) => {
      const socket = connectTls({ port, host: '127.0.0.1', servername: 'localhost', ca: certificate.cert })
      const [error] = (await once(socket, 'error')) as [Error]
      return networkProblem(error)
    })
    expect(problem).toContain(expected)
  })

  test('a server that wants a certificate of ours has not read the request', async () => {
    const certificate = selfSigned({ host: 'localhost' })
    const server = createTlsServer({ ...certificate, requestCert: true, rejectUnauthorized: true })
    server.on('tlsClientError', () => {})
    const error = await withServer(server, async (port) => {
      const socket = connectTls({ port, host: '127.0.0.1', servername: 'localhost', ca: certificate.cert })
      socket.resume().write('POST / HTTP/1.1\r\n\r\n')
      const [refusal] = (await once(socket, 'error')) as [Error]
      return refusal
    })
    expect(networkProblem(error)).toMatch(/^TLS failed \(ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED\)/)
    expect(isRefusedHandshake(error)).toBe(true)
  })
})

function through(port: number, baseUrl: string, timeoutMs = 5000): Api {
  return openApi({ ...defaults(baseUrl), timeoutMs, proxy: new URL(`http://ana:s%40fe@127.0.0.1:${port}`) })
}

describe('a proxy', () => {
  test('every call has a tunnel of its own, and the API sees nothing of the proxy', async () => {
    const api = await openRawServer((socket) => socket.end(http(200, whole)))
    const seen: IncomingMessage[] = []
    await withServer(proxyServer(seen), async (port) => {
      const client = through(port, `${api.url}/v1`)
      expect((await client.search(request)).outcome).toMatchObject({ kind: 'answered' })
      expect((await client.search(request)).outcome).toMatchObject({ kind: 'answered' })
      await client.close()
    })
    await api.close()
    expect(seen.map(({ url }) => url)).toEqual(Array(2).fill(new URL(api.url).host))
    const credentials = `Basic ${Buffer.from('ana:s@fe').toString('base64')}`
    expect(seen[0]?.headers['proxy-authorization']).toBe(credentials)
    expect(JSON.stringify(seen[0]?.headers)).not.toContain(KEY)
    expect(api.requests).toHaveLength(2)
    expect(api.requests[0]).not.toMatch(/proxy/i)
  })

  test('https goes through the tunnel, and its certificate is checked', async () => {
    const seen: IncomingMessage[] = []
    await withServer(tlsServer(selfSigned({ host: 'localhost' })), (target) =>
      withServer(proxyServer(seen), async (port) => {
        const outcome = await outcomeOfCall(through(port, `https://localhost:${target}`))
        expect(outcome).toMatchObject({ kind: 'transient', maybePaid: false })
        expect(outcome.kind === 'transient' && outcome.reason).toContain('NODE_EXTRA_CA_CERTS')
      }),
    )
    expect(seen).toHaveLength(1)
  })

  test.each([
    [
      '407',
      'HTTP/1.1 407 Proxy Authentication Required\r\n\r\n',
      'refused: HTTP 407 Proxy Authentication Required; set user name',
    ],
    ['403', 'HTTP/1.1 403 Forbidden\r\ncontent-length: 4\r\n\r\nnope', 'refused: HTTP 403 Forbidden'],
    ['502', 'HTTP/1.1 502 Bad Gateway\r\n\r\n', 'refused: HTTP 502 Bad Gateway'],
    ['nothing', '', 'cannot be reached: socket hang up'],
    ['no HTTP', 'what?\r\n\r\n', 'cannot be reached: Parse Error'],
  ])('one that answers %s: nothing was sent to the API', async (_, answer, expected) => {
    await withServer(proxyServer([], answer), async (port) => {
      const outcome = await outcomeOfCall(through(port, 'http://127.0.0.1:9'))
      expect(outcome).toMatchObject({ kind: 'transient', maybePaid: false })
      const reason = outcome.kind === 'transient' ? outcome.reason : ''
      expect(reason).toContain(`the proxy 127.0.0.1:${port} ${expected}`)
      expect(reason).not.toMatch(/ana|s@fe|s%40fe/)
    })
  })

  test('one that is not there', async () => {
    const outcome = await outcomeOfCall(through(1, 'https://api.example.test'))
    expect(outcome).toMatchObject({
      kind: 'transient',
      maybePaid: false,
      reason: expect.stringContaining('the proxy 127.0.0.1:1 cannot be reached: connect ECONNREFUSED'),
    })
  })

  test('one that never answers is given up at the deadline', async () => {
    const silent = createHttpServer().on('connect', () => {})
    await withServer(silent, async (port) => {
      expect(await outcomeOfCall(through(port, 'http://127.0.0.1:9', 100))).toMatchObject({
        kind: 'transient',
        maybePaid: false,
        reason: 'no connection within 100 ms',
      })
    })
  })
})
