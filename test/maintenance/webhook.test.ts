import { execFileSync } from 'node:child_process'
import { createHmac } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createServer, type IncomingMessage } from 'node:http'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { secret } from '../../src/config/secret.js'
import { NEVER_ABORTED } from '../../src/domain/abortable.js'
import { limitRepeats } from '../../src/log/limit-repeats.js'
import { webhookBody } from '../../src/maintenance/webhook-body.js'
import { proxyServer, withServer } from '../support/connect-proxy.js'
import { recordingLogger } from '../support/recording-logger.js'
import { until } from '../support/until.js'
import { type Channel, HANGS, openChannel, stored, webhookAt } from './channel.js'

let channel: Channel
beforeEach(async () => {
  channel = await openChannel()
})
afterEach(() => channel.close())

const DELIVERED = { kind: 'delivered' }
const FAILED = { kind: 'failed', retryAfterMs: null }

describe('the webhook', () => {
  test('is one POST with the text, the event, its batch and figures', async () => {
    expect(await webhookAt(channel.url).post(stored('Done.'), NEVER_ABORTED)).toEqual(DELIVERED)
    const [post] = channel.posts
    expect(channel.posts).toHaveLength(1)
    expect(post?.method).toBe('POST')
    expect(post?.headers).toMatchObject({
      'content-type': 'application/json',
      'trackyard-event': 'batch.done',
      'trackyard-delivery': '7',
    })
    expect(post?.headers).not.toHaveProperty('trackyard-signature')
    expect(post?.body).toEqual({
      text: 'Done.',
      event: 'batch.done',
      id: 7,
      createdAt: '2026-03-01T00:00:00.000Z',
      batch: { id: 3, name: 'night' },
      figures: { rows: 4 },
      link: null,
    })
  })

  test('a secret signs the moment and the body as sent; the board is linked', async () => {
    const now = () => 1_772_323_200_999
    const key = secret('whsec_ünïcode')
    await webhookAt(channel.url, { secret: key, boardUrl: 'https://b.example', now }).post(
      stored('Dönê ✓'),
      NEVER_ABORTED,
    )
    const [post] = channel.posts
    expect(post?.raw).not.toContain('whsec')
    const expected = createHmac('sha256', 'whsec_ünïcode').update(`1772323200.${post?.raw}`).digest('hex')
    expect(post?.headers['trackyard-signature']).toBe(`t=1772323200,v1=${expected}`)
    expect(post?.body).toMatchObject({ link: 'https://b.example/batches/3' })
  })

  test('the documented verification takes what is sent, and nothing else', async () => {
    const page = readFileSync(join(import.meta.dirname, '../../docs/reference/notifications.md'), 'utf8')
    const code = /^```js\n([\s\S]*?)^```/m.exec(page)?.[1] ?? ''
    const isGenuine = (...given: readonly unknown[]) =>
      execFileSync(
        process.execPath,
        ['--input-type=module', '-e', `${code}\nconsole.log(isGenuine(...${JSON.stringify(given)}))`],
        {
          encoding: 'utf8',
        },
      ).trim()
    await webhookAt(channel.url, { secret: secret('whsec_ünïcode') }).post(stored('Dönê ✓'), NEVER_ABORTED)
    const old = () => Date.now() - 301_000
    await webhookAt(channel.url, { secret: secret('whsec_ünïcode'), now: old }).post(stored('old'), NEVER_ABORTED)
    const [fresh, late] = channel.posts.map(({ raw, headers }) => [raw, headers['trackyard-signature']])
    expect(isGenuine(...(fresh ?? []), 'whsec_ünïcode')).toBe('true')
    expect(isGenuine(...(fresh ?? []), 'another')).toBe('false')
    expect(isGenuine(`${fresh?.[0]} `, fresh?.[1], 'whsec_ünïcode')).toBe('false')
    expect(isGenuine(...(late ?? []), 'whsec_ünïcode')).toBe('false')
    expect(isGenuine(fresh?.[0], null, 'whsec_ünïcode')).toBe('false')
  })

  test.each([500, 503, 404, 401])(
    'an answer of %i fails after one request, logged without its address',
    async (status) => {
      const log = recordingLogger()
      channel.answers.push(status)
      expect(await webhookAt(channel.url, { log }).post(stored('fails'), NEVER_ABORTED)).toEqual(FAILED)
      expect(channel.posts).toHaveLength(1)
      expect(log.logged('webhook.failed')[0]?.facts).toMatchObject({ reason: `the webhook answered HTTP ${status}` })
      expect(JSON.stringify(log.lines)).not.toContain('T0P-SECRET')
    },
  )

  test.each([
    [429, { 'retry-after': '90' }, 90_000],
    [503, { 'retry-after': 'Sun, 01 Mar 2026 00:01:00 GMT', date: 'Sun, 01 Mar 2026 00:00:00 GMT' }, 60_000],
    [503, { 'retry-after': 'soon' }, null],
  ])('the Retry-After of an answer of %i %j is read', async (status, headers, retryAfterMs) => {
    channel.answers.push(status)
    Object.assign(channel.refusalHeaders, headers)
    const delivery = await webhookAt(channel.url).post(stored('busy'), NEVER_ABORTED)
    expect(delivery).toEqual({ kind: 'failed', retryAfterMs })
  })

  test.each([400, 413, 422])('an answer of %i refuses this message, and each is logged', async (status) => {
    const log = recordingLogger()
    channel.answers.push(status, status)
    const webhook = webhookAt(channel.url, { log: limitRepeats(log, () => 0) })
    expect(await webhook.post(stored('bad', 8), NEVER_ABORTED)).toEqual({ kind: 'refused' })
    expect(await webhook.post({ ...stored('bad', 9), batch: null }, NEVER_ABORTED)).toEqual({ kind: 'refused' })
    expect(channel.posts).toHaveLength(2)
    const facts = { event: 'webhook.refused', notification: 'batch.done', status }
    expect(log.logged('webhook.refused').map((line) => line.facts)).toEqual([
      { ...facts, delivery: 8, batch: 3 },
      { ...facts, delivery: 9, batch: null },
    ])
  })

  test.each([302, 307])('a redirect (%i) is not followed: the message was not taken there', async (status) => {
    const elsewhere = await openChannel()
    channel.answers.push(status)
    channel.refusalHeaders.location = elsewhere.url
    const log = recordingLogger()
    expect(await webhookAt(channel.url, { log }).post(stored('moved'), NEVER_ABORTED)).toEqual(FAILED)
    expect([channel.posts.length, elsewhere.posts.length]).toEqual([1, 0])
    expect(log.logged('webhook.failed')[0]?.facts).toMatchObject({
      reason: expect.stringMatching(`HTTP ${status}, a redirect.*TRACKYARD_WEBHOOK_URL`),
    })
    await elsewhere.close()
  })

  test('user and password of the address are sent as Basic authentication, and never logged', async () => {
    const log = recordingLogger()
    const url = channel.url.replace('//', '//n%C3%A4me:p%40ss%2Fw@')
    channel.answers.push(500)
    const webhook = webhookAt(`${url}?key=a%20b#part`, { log })
    expect(await webhook.post(stored('fails'), NEVER_ABORTED)).toEqual(FAILED)
    expect(await webhook.post(stored('arrives'), NEVER_ABORTED)).toEqual(DELIVERED)
    expect(channel.posts.map(({ path }) => path)).toEqual(Array(2).fill('/hooks/T0P-SECRET?key=a%20b'))
    const { authorization, host } = channel.posts[1]?.headers ?? {}
    expect(authorization).toBe(`Basic ${Buffer.from('n\u00e4me:p@ss/w').toString('base64')}`)
    expect(host).toBe(new URL(url).host)
    await channel.close()
    expect(await webhook.post(stored('unreachable'), NEVER_ABORTED)).toEqual(FAILED)
    expect(log.lines).toHaveLength(2)
    expect(JSON.stringify([log.lines, channel.posts.map(({ body }) => body)])).not.toMatch(/n\u00e4me|n%C3|p@ss|p%40ss/)
  })

  test('without user and password there is no authorization', async () => {
    await webhookAt(channel.url).post(stored('Done.'), NEVER_ABORTED)
    expect(channel.posts[0]?.headers).toMatchObject({ 'user-agent': 'trackyard-batch/test' })
    expect(channel.posts[0]?.headers).not.toHaveProperty('authorization')
  })

  test('goes through the proxy by CONNECT, and the receiver sees nothing of it', async () => {
    const seen: IncomingMessage[] = []
    await withServer(proxyServer(seen), async (port) => {
      const proxy = new URL(`http://ana:s%40fe@127.0.0.1:${port}`)
      expect(await webhookAt(channel.url, { proxy }).post(stored('Done.'), NEVER_ABORTED)).toEqual(DELIVERED)
    })
    expect(seen.map(({ url }) => url)).toEqual([new URL(channel.url).host])
    expect(seen[0]?.headers['proxy-authorization']).toBe(`Basic ${Buffer.from('ana:s@fe').toString('base64')}`)
    expect(channel.posts).toHaveLength(1)
    expect(JSON.stringify(channel.posts[0]?.headers)).not.toMatch(/proxy/)
  })

  test('a proxy that refuses is named, without its password', async () => {
    const log = recordingLogger()
    await withServer(proxyServer([], 'HTTP/1.1 407 Proxy Authentication Required\r\n\r\n'), async (port) => {
      const proxy = new URL(`http://ana:s%40fe@127.0.0.1:${port}`)
      expect(await webhookAt(channel.url, { proxy, log }).post(stored('Done.'), NEVER_ABORTED)).toEqual(FAILED)
      expect(log.logged('webhook.failed')[0]?.facts.reason).toMatch(`the proxy 127.0.0.1:${port} refused: HTTP 407`)
    })
    expect(JSON.stringify(log.lines)).not.toMatch(/ana|s@fe|s%40fe/)
    expect(channel.posts).toHaveLength(0)
  })

  test('an unreachable or invalid webhook is logged without its address', async () => {
    const log = recordingLogger()
    await channel.close()
    for (const url of [channel.url, 'http://T0P-SECRET.invalid/', 'http://127.0.0.1:1/T0P-SECRET']) {
      await webhookAt(url, { log }).post(stored('hello'), NEVER_ABORTED)
    }
    expect(log.logged('webhook.failed')).toHaveLength(3)
    expect(JSON.stringify(log.lines)).not.toContain('/T0P-SECRET')
  })

  test.each(['the receiver', 'the proxy'])('interrupted while %s hangs, it gives up at once', async (who) => {
    const log = recordingLogger()
    const stopping = new AbortController()
    let connects = 0
    const silent = createServer().on('connect', () => {
      connects += 1
    })
    channel.answers.push(HANGS)
    await withServer(silent, async (port) => {
      const proxy = who === 'the proxy' ? new URL(`http://127.0.0.1:${port}`) : null
      const webhook = webhookAt(channel.url, { timeoutMs: 600_000, log, proxy })
      const posted = webhook.post(stored('hello'), stopping.signal)
      await until(() => channel.posts.length + connects === 1, { timeoutMs: 120_000, what: 'the request' })
      stopping.abort()
      expect(await posted).toEqual(FAILED)
      expect(await webhook.post(stored('later'), stopping.signal)).toEqual(FAILED)
    })
    expect([channel.posts.length + connects, log.lines]).toEqual([1, []])
  })

  test('a receiver that does not answer in time has failed', async () => {
    const log = recordingLogger()
    channel.answers.push(HANGS)
    expect(await webhookAt(channel.url, { timeoutMs: 100, log }).post(stored('hello'), NEVER_ABORTED)).toEqual(FAILED)
    expect(log.logged('webhook.failed')[0]?.facts).toMatchObject({ reason: 'no complete answer within 100 ms' })
  })
})

describe('names are escaped for their receiver:', () => {
  const text = 'Batch 1 (<!channel> <@U1> *a* _b_ `c` ~d~ @everyone & [e](f) \\) is done'

  test('Slack mentions nobody and formats nothing', () => {
    for (const url of ['https://hooks.slack.com/services/T/B/X', 'https://hooks.slack-gov.com/services/T/B/X']) {
      expect(webhookBody(url, stored(text), null)).toEqual({
        text: 'Batch 1 (&lt;!channel&gt; &lt;@U1&gt; *a* _b_ `c` ~d~ @everyone &amp; [e](f) \\) is done',
        mrkdwn: false,
      })
    }
  })

  test('Discord mentions nobody and formats nothing', () => {
    const escaped =
      'Batch 1 \\(\\<!channel\\> \\<\\@U1\\> \\*a\\* \\_b\\_ \\`c\\` \\~d\\~ \\@everyone & \\[e\\]\\(f\\) \\\\\\) is done'
    for (const url of ['https://discord.com/api/webhooks/1/x', 'https://canary.discordapp.com/api/webhooks/1/x']) {
      expect(webhookBody(url, stored(text), null)).toEqual({ content: escaped, allowed_mentions: { parse: [] } })
    }
    expect(webhookBody('https://discord.com/api/webhooks/1/x/slack', stored(text), null)).toEqual({
      text: escaped.replaceAll('@', '@\u200B'),
    })
    const long = webhookBody('https://discord.com/api/webhooks/1/x', stored('*'.repeat(3000)), 'https://b.example')
    expect(JSON.stringify(long).length).toBeLessThan(4100)
  })

  test('any other receiver gets the plain text', () => {
    for (const url of ['https://chat.example/hooks/x', 'https://slack.com.example/', 'https://notdiscord.com/slack']) {
      expect(webhookBody(url, stored(text), null)).toMatchObject({ text })
    }
  })
})
