import { once } from 'node:events'
import { type IncomingMessage, request } from 'node:http'
import { expect, test } from '@jest/globals'
import { secret } from '../../src/config/secret.js'
import { recordingLogger } from '../support/recording-logger.js'
import { until } from '../support/until.js'
import { setup, type TestBoard } from './setup.js'

const PASSWORD = { user: 'night', password: secret('owl:ö') }
const basic = (password: string) => ({ authorization: `Basic ${Buffer.from(`night:${password}`).toString('base64')}` })
const RIGHT = basic('owl:ö')

async function timed(board: TestBoard, headers: Record<string, string>): Promise<{ status: number; ms: number }> {
  const startedAt = performance.now()
  const { status } = await board.get('/queues', headers)
  return { status, ms: performance.now() - startedAt }
}

test('each wrong password is answered later than the one before, and each is a line that can be counted', async () => {
  const log = recordingLogger()
  await using board = await setup({ ...PASSWORD, log })
  for (const least of [250, 500, 1000]) {
    const { status, ms } = await timed(board, basic('guess'))
    expect(status).toBe(401)
    expect(ms).toBeGreaterThan(least - 20)
  }
  expect(log.logged('board.password_refused')).toEqual(
    [1, 2, 3].map((failures) => ({
      level: 'warn',
      message: expect.any(String),
      facts: { event: 'board.password_refused', address: '127.0.0.1', failures, repeats: true },
    })),
  )
  expect(JSON.stringify(log.lines)).not.toContain('guess')
})

test('guesses at once are no faster: each waits for the one before, and too many are turned away', async () => {
  const log = recordingLogger()
  await using board = await setup({ ...PASSWORD, log })
  const startedAt = performance.now()
  const turnedAway: (string | null)[] = []
  for (let n = 0; n < 60; n += 1) {
    void board.get('/queues', basic(`guess ${n}`)).then(
      (response) => response.status === 429 && turnedAway.push(response.headers.get('retry-after')),
      // Those that still wait when the board closes.
      () => {},
    )
  }
  await until(() => turnedAway.length >= 30, { timeoutMs: 40_000, what: 'those that are turned away' })
  expect(new Set(turnedAway)).toEqual(new Set(['5']))
  // 250 ms, 500 ms, 1 s, 2 s, 4 s …: the time that has passed bounds how many were checked.
  const checked = log.logged('board.password_refused').length
  expect(checked).toBeLessThanOrEqual(2 + Math.log2(1 + (performance.now() - startedAt) / 250))
})

test('the right password is not kept waiting by failures that have been answered', async () => {
  await using board = await setup(PASSWORD)
  for (const guess of ['a', 'b']) await timed(board, basic(guess))
  const answers = await Promise.all(Array.from({ length: 12 }, () => timed(board, RIGHT)))
  expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200))
})

test('a request without a password is no failure', async () => {
  const log = recordingLogger()
  await using board = await setup({ ...PASSWORD, log })
  for (let n = 0; n < 30; n += 1) expect((await board.get('/queues')).status).toBe(401)
  expect(log.logged('board.password_refused')).toEqual([])
  expect((await board.get('/queues', RIGHT)).status).toBe(200)
})

test('who guesses from one address does not keep another waiting', async () => {
  const log = recordingLogger()
  await using board = await setup({ ...PASSWORD, log })
  for (let n = 0; n < 8; n += 1) void board.get('/queues', basic('guess')).catch(() => {})
  await until(() => log.logged('board.password_refused').length > 0, { timeoutMs: 40_000, what: 'the first guess' })
  const { port } = new URL(board.url)
  const asked = request({ host: '127.0.0.1', port, path: '/queues', headers: RIGHT, localAddress: '127.0.0.2' }).end()
  const [response] = (await once(asked, 'response')) as [IncomingMessage]
  response.resume()
  expect(response.statusCode).toBe(200)
  // One address would wait for all eight, which takes half a minute.
  expect(log.logged('board.password_refused').length).toBeLessThan(8)
})
