import { PassThrough } from 'node:stream'
import { afterEach, beforeEach, expect, test } from '@jest/globals'
import { type Desk, openDesk } from './setup.js'

/** Redis answers when the command begins, and stops answering after its first output. */
let desk: Desk
beforeEach(async () => {
  desk = await openDesk()
  await desk.json(['submit', '-', '--name', 'night'], { stdin: '{"query":"one"}' })
})
afterEach(async () => {
  desk.redis.thaw()
  await desk.close()
})

const SILENT = /Redis at redis:\/\/127\.0\.0\.1:\d+\S* does not answer\. Check that it is running\./

test('wait reports a silent Redis, continues from the store, obeys a signal', async () => {
  const stopping = new AbortController()
  const { code, stderr } = await desk.type(['wait'], {
    signal: stopping.signal,
    onStderr: (said) => {
      if (said.includes('0 of 1 row done')) desk.redis.freeze()
      if (SILENT.test(said)) stopping.abort()
    },
  })
  expect(code).toBe(5)
  expect(stderr).toMatch(/Interrupted; nothing was changed\..*1 waiting/)
}, 240_000)

test('status --watch reports a silent Redis and obeys a signal', async () => {
  const stopping = new AbortController()
  const stdout = new PassThrough()
  let shown = ''
  stdout.setEncoding('utf8').on('data', (part: string) => {
    shown += part
    desk.redis.freeze()
    if (SILENT.test(shown)) stopping.abort()
  })
  const { code } = await desk.type(['status', '--watch'], { stdout, signal: stopping.signal })
  expect(code).toBe(0)
}, 240_000)

test('a signal stops status --watch while it waits for Redis', async () => {
  desk.redis.freeze()
  const stopping = new AbortController()
  const { code, stdout } = await desk.type(['status', '--watch'], {
    signal: stopping.signal,
    onStderr: (said) => {
      if (said.includes('data directory')) setImmediate(() => stopping.abort())
    },
  })
  expect({ code, stdout }).toEqual({ code: 0, stdout: '' })
}, 240_000)
