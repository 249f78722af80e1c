import { describe, expect, test } from '@jest/globals'
import { type Setup, withSimulator } from './setup.js'

function remote({ simulator }: Setup) {
  const ask = async (path: string, init?: RequestInit) => {
    const response = await fetch(`${simulator.controlUrl}/${path}`, init ?? {})
    return { status: response.status, body: JSON.parse(await response.text()) }
  }
  return {
    get: (path: string) => ask(path),
    post: (path: string, body: unknown) => ask(path, { method: 'POST', body: JSON.stringify(body) }),
  }
}

describe('the control endpoint', () => {
  test('shows the calls page by page and their sum', () =>
    withSimulator({ credits: 10 }, async (setup) => {
      for (const query of ['a', 'b', 'a']) await setup.search({ query })
      const { get } = remote(setup)
      const page = await get('calls?offset=1&limit=1')
      expect(page.body).toMatchObject({ calls: [{ query: 'b', charged: 1 }], total_count: 3, offset: 1, limit: 1 })
      expect((await get('summary')).body).toMatchObject({
        calls: 3,
        paid: 3,
        paidTwice: ['a [20+0]'],
        byStatus: { 200: 3 },
        credits: 7,
      })
    }))

  test('changes balance, limit, key and faults while it runs', () =>
    withSimulator({ credits: 1 }, async (setup) => {
      const { post } = remote(setup)
      const status = async () => (await setup.search({ query: 'a' })).status
      expect((await post('credits', { credits: 0 })).body).toEqual({ credits: 0 })
      expect(await status()).toBe(402)
      expect((await post('top-up', { credits: 5 })).body).toEqual({ credits: 5 })
      const { id } = (await post('fault', { match: '/a/', does: { status: 503 } })).body
      expect(await status()).toBe(503)
      expect((await post('clear-fault', { id })).body).toEqual({ cleared: true })
      expect(await status()).toBe(200)
      await post('key', { revoked: true })
      expect(await status()).toBe(401)
      await post('key', { revoked: false })
      expect((await post('elsewhere', { requests: 2 })).body).toEqual({ passed: 2 })
      await post('limit', { perMinute: 1 })
      expect([await status(), await status()]).toEqual([200, 429])
      await post('limit', { perMinute: null })
      expect(await status()).toBe(200)
    }))

  test('says what is wrong with a command and does nothing', () =>
    withSimulator({ credits: 4 }, async (setup) => {
      const { get, post } = remote(setup)
      expect(await post('credits', { credits: 'all' })).toEqual({
        status: 400,
        body: { error: 'credits: expected a number, 0 or more' },
      })
      expect((await post('fault', { does: 'explode' })).body.error).toContain('one of: hang, cut')
      expect((await get('calls?offset=-1')).status).toBe(400)
      expect(setup.simulator.credits()).toBe(4)
      expect((await setup.search({ query: 'a' })).status).toBe(200)
    }))

  test('answers an unknown control with the list of those that exist', () =>
    withSimulator({}, async (setup) => {
      const { get, post } = remote(setup)
      const { status, body } = await post('reset', {})
      expect([status, body.error]).toEqual([404, 'No such control: POST /__simulator/reset'])
      expect(body.controls).toHaveLength(9)
      expect(body.controls.join('\n')).toMatch(
        /^POST \/clear-fault +\{ id \} +removes that fault; without a body, all$/m,
      )
      expect((await get('clear-fault')).body.controls).toEqual(body.controls)
    }))

  test('is no part of the API and no search of the log', () =>
    withSimulator({}, async (setup) => {
      await remote(setup).get('summary')
      expect(setup.simulator.calls()).toEqual([])
      expect((await setup.get('/__simulator/summary')).status).toBe(404)
    }))
})
