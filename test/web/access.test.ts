import { request } from 'node:http'
import { describe, expect, test } from '@jest/globals'
import { secret } from '../../src/config/secret.js'
import { setup, type TestBoard } from './setup.js'

const PASSWORD = { user: 'night', password: secret('owl:ö') }
const AUTHORIZED = { authorization: `Basic ${Buffer.from('night:owl:ö').toString('base64')}` }
const PAUSE = '/queues/api/queues/search/pause'

test('a password guards the page, its files, the API and the metrics, and leaves the probes open', async () => {
  await using board = await setup(PASSWORD)
  const guarded = ['/', '/queues', '/queues/static/favicon.ico', '/queues/api/queues', '/metrics', '/nothing']
  for (const path of guarded) {
    const closed = await board.get(path)
    expect([path, closed.status]).toEqual([path, 401])
    expect(closed.headers.get('www-authenticate')).toContain('Basic')
    expect((await board.get(path, AUTHORIZED)).status).not.toBe(401)
  }
  expect((await board.put(PAUSE)).status).toBe(401)
  expect(board.called).toEqual([])
  expect((await board.get('/healthz')).status).toBe(200)
  expect((await board.get('/readyz')).status).toBe(200)
})

test.each([
  { user: 'night', password: 'owl' },
  { user: 'day', password: 'owl:ö' },
  { user: '', password: '' },
])('with $user and $password nobody gets in', async ({ user, password }) => {
  await using board = await setup(PASSWORD)
  const authorization = `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`
  expect((await board.get('/queues', { authorization })).status).toBe(401)
})

test('with a password it opens on every address, and names one that can be visited', async () => {
  await using board = await setup({ ...PASSWORD, host: '0.0.0.0' })
  expect(board.url).toMatch(/^http:\/\/localhost:\d+$/)
  expect(await statusFor(board, 'catalog.example:3210', '/healthz')).toBe(200)
})

test('read-only, everything can be looked at and nothing changed', async () => {
  await using board = await setup({ readOnly: true })
  await board.search.add('search', { query: 'calm piano' }, { jobId: 's-1' })
  for (const path of [PAUSE, '/queues/api/queues/pause', '/queues/api/queues/search/s-1/clean']) {
    const response = await board.put(path)
    expect([path, response.status]).toEqual([path, 403])
    expect(await response.text()).toContain('TRACKYARD_BOARD_READ_ONLY')
  }
  expect(board.called).toEqual([])
  expect(await board.search.getWaitingCount()).toBe(1)
  expect((await board.get('/queues/api/queues/search/s-1')).status).toBe(200)
  const { queues } = (await (await board.get('/queues/api/queues')).json()) as { queues: { readOnlyMode: boolean }[] }
  expect(queues.map((queue) => queue.readOnlyMode)).toEqual([true, true])
})

describe("a page of another site cannot press the operator's buttons", () => {
  test.each([
    ['its origin', { origin: 'https://evil.example' }],
    ['no origin of its own', { origin: 'null' }],
    ["the browser's word", { 'sec-fetch-site': 'cross-site' }],
    ["the browser's word, with a borrowed origin", { 'sec-fetch-site': 'same-site', origin: 'http://127.0.0.1' }],
    ['another port of this machine', { origin: 'http://127.0.0.1:1' }],
  ])('given away by %s', async (_sign, headers) => {
    await using board = await setup()
    expect((await board.put(PAUSE, headers)).status).toBe(403)
    expect(board.called).toEqual([])
  })

  test('while our own page and curl can', async () => {
    await using board = await setup()
    expect((await board.put(PAUSE, { origin: board.url })).status).toBe(200)
    expect((await board.put(PAUSE, { 'sec-fetch-site': 'same-origin', origin: 'https://proxy.example' })).status).toBe(
      200,
    )
    expect((await board.put(PAUSE)).status).toBe(200)
  })
})

test('bound to loopback, the board answers to the names of loopback only', async () => {
  await using board = await setup()
  for (const name of ['localhost', 'LOCALHOST:3210', '127.0.0.1:80', '[::1]:3210']) {
    expect([name, await statusFor(board, name)]).toEqual([name, 200])
  }
  for (const name of [
    'evil.example',
    'evil.example:3210',
    'localhost.evil.example',
    '127.0.0.1.evil.example',
    '10.0.0.1',
  ]) {
    expect([name, await statusFor(board, name)]).toEqual([name, 403])
  }
})

test('the page may load nothing from outside and be framed by nobody', async () => {
  await using board = await setup()
  const { headers } = await board.get('/queues')
  const policy = headers.get('content-security-policy') ?? ''
  expect(policy).toContain("default-src 'self'")
  expect(policy).toContain("frame-ancestors 'none'")
  expect(policy).not.toMatch(/https?:/)
  expect(headers.get('x-content-type-options')).toBe('nosniff')
})

test('a large body is refused before it is read', async () => {
  await using board = await setup()
  const response = await fetch(`${board.url}${PAUSE}`, { method: 'PUT', body: 'x'.repeat(100_000) })
  expect(response.status).toBe(413)
  expect(board.called).toEqual([])
})

/** A request under another name: fetch does not let the Host header be chosen. */
function statusFor(board: TestBoard, host: string, path = '/queues/api/queues'): Promise<number | undefined> {
  const { port } = new URL(board.url)
  return new Promise((resolve, reject) => {
    request({ host: '127.0.0.1', port, path, headers: { host } }, (response) => {
      response.resume()
      resolve(response.statusCode)
    })
      .on('error', reject)
      .end()
  })
}
