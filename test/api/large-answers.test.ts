import type { Socket } from 'node:net'
import { expect, test } from '@jest/globals'
import { createSemaphore, LARGE_BYTES } from '../../src/api/exchange.js'
import { http } from './raw-server.js'
import { withApi } from './setup.js'

const request = { query: 'calm piano', limit: 20, offset: 0 }
const large = JSON.stringify({ tracks: [{ id: 'trk_1', title: 'x'.repeat(4 * LARGE_BYTES) }] })
const small = '{"tracks":[]}'

test('two large answers that hang hold up other large ones, and no documented one', async () => {
  const held: Socket[] = []
  await withApi(
    (socket, text) => {
      if (text.includes('hang')) {
        held.push(socket)
        socket.write(http(200, large).slice(0, -10))
      } else socket.write(http(200, text.includes('large') ? large : small))
    },
    async (api, server) => {
      const hanging = [1, 2].map(() => api.search({ ...request, query: 'hang' }))
      await server.received(2)
      const others = Array.from({ length: 8 }, () => api.search({ ...request, query: 'large' }))
      await server.received(10)
      for (let call = 0; call < 5; call += 1) expect((await api.search(request)).outcome.kind).toBe('answered')
      for (const socket of held) socket.write(http(200, large).slice(-10))
      const outcomes = (await Promise.all([...hanging, ...others])).map(({ outcome }) => outcome)
      expect(outcomes.filter(({ kind }) => kind === 'answered')).toHaveLength(10)
    },
  )
})

test('large answers that are given up give their turns back', async () => {
  await withApi(
    (socket, text) => {
      if (text.includes('hang')) socket.write(http(200, large).slice(0, -10))
      else socket.write(http(200, large))
    },
    async (api) => {
      const kinds = async (query: string, calls: number) =>
        (await Promise.all(Array.from({ length: calls }, () => api.search({ ...request, query })))).map(
          ({ outcome }) => outcome.kind,
        )
      expect(await kinds('hang', 6)).toEqual(Array(6).fill('unreadable'))
      expect(await kinds('large', 3)).toEqual(Array(3).fill('answered'))
    },
    { timeoutMs: 3000 },
  )
})

test('turns are taken in order, two at a time, and given back once', () => {
  const turns = createSemaphore(2)
  const going: string[] = []
  const [a, b, c] = ['a', 'b', 'c', 'd', 'e'].map((name) => turns.take(() => going.push(name)))
  expect(going).toEqual(['a', 'b'])
  // Gives up its place in the row.
  c?.()
  expect(going).toEqual(['a', 'b'])
  a?.()
  a?.()
  expect(going).toEqual(['a', 'b', 'd'])
  b?.()
  expect(going).toEqual(['a', 'b', 'd', 'e'])
})
