import { createServer, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { notificationSender, notificationTask } from '../../src/app/notifications.js'
import { systemClock } from '../../src/domain/clock.js'
import { pausedMessage, resumedMessage } from '../../src/maintenance/notification-text.js'
import { messageFor, openWebhook } from '../../src/maintenance/webhook.js'
import { createSearchProcessor } from '../../src/processing/process-search.js'
import { type InProcessSystem, queries, refOf, startInProcess } from '../support/in-process-system.js'
import { recordingLogger } from '../support/recording-logger.js'
import { until } from '../support/until.js'

/** A chat channel: writes down what was posted, and answers as it is told. */
interface Channel {
  readonly url: string
  readonly posts: { readonly method: string; readonly type: string; readonly body: unknown }[]
  /** Statuses of the next answers, HANGS for none; 200 afterwards. */
  readonly answers: number[]
  close(): Promise<void>
}

const HANGS = 0

async function openChannel(): Promise<Channel> {
  const posts: Channel['posts'] = []
  const answers: number[] = []
  const server: Server = createServer(async (request: IncomingMessage, response) => {
    let text = ''
    for await (const chunk of request) text += chunk
    posts.push({
      method: request.method ?? '',
      type: request.headers['content-type'] ?? '',
      body: JSON.parse(text) as unknown,
    })
    const status = answers.shift() ?? 200
    if (status !== HANGS) response.writeHead(status).end('ok')
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}/hooks/T0P-SECRET`,
    posts,
    answers,
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections()
        server.close(() => resolve())
      }),
  }
}

let channel: Channel
beforeEach(async () => {
  channel = await openChannel()
})
afterEach(() => channel.close())

const texts = () => channel.posts.map((post) => (post.body as { text: string }).text)

const never = new AbortController().signal

describe('the webhook', () => {
  test('is one POST of { text }', async () => {
    const webhook = openWebhook({ url: channel.url, timeoutMs: 40_000, log: recordingLogger() })
    expect(await webhook.post('Paused.', never)).toBe(true)
    expect(channel.posts).toEqual([{ method: 'POST', type: 'application/json', body: { text: 'Paused.' } }])
  })

  test('is tried three times, then logged as failed without its address', async () => {
    const log = recordingLogger()
    const webhook = openWebhook({ url: channel.url, timeoutMs: 40_000, log, retryMs: 1 })
    channel.answers.push(500, 503)
    await webhook.post('comes through at last', never)
    expect(channel.posts).toHaveLength(3)
    expect(log.lines).toEqual([])
    channel.answers.push(500, 500, 500)
    expect(await webhook.post('is lost', never)).toBe(true)
    expect(channel.posts).toHaveLength(6)
    expect(log.logged('webhook.failed')).toHaveLength(1)
    expect(JSON.stringify(log.lines, errorsToo)).not.toContain('T0P-SECRET')
  })

  test('an unreachable or invalid webhook logs one line without its address', async () => {
    const log = recordingLogger()
    await channel.close()
    for (const url of [channel.url, 'http://T0P-SECRET.invalid/', 'http://127.0.0.1:1/T0P-SECRET']) {
      await openWebhook({ url, timeoutMs: 40_000, log, retryMs: 1 }).post('hello', never)
    }
    expect(log.logged('webhook.failed')).toHaveLength(3)
    expect(JSON.stringify(log.lines, errorsToo)).not.toContain('/T0P-SECRET')
  })

  test.each(['while it hangs', 'between two attempts'])('interrupted %s, it gives up at once', async (when) => {
    const log = recordingLogger()
    const webhook = openWebhook({ url: channel.url, timeoutMs: 600_000, log, retryMs: 600_000 })
    channel.answers.push(when === 'while it hangs' ? HANGS : 500)
    const stopping = new AbortController()
    const posted = webhook.post('hello', stopping.signal)
    await until(() => channel.posts.length === 1, { timeoutMs: 40_000, what: 'the first attempt' })
    stopping.abort()
    expect(await posted).toBe(false)
    expect([channel.posts.length, log.lines]).toEqual([1, []])
  })
})

describe('names are escaped for their receiver:', () => {
  const text = 'Batch 1 (<!channel> <@U1> *a* _b_ `c` ~d~ @everyone & [e](f) \\) is done'

  test('Slack mentions nobody and formats nothing', () => {
    for (const url of ['https://hooks.slack.com/services/T/B/X', 'https://hooks.slack-gov.com/services/T/B/X']) {
      expect(messageFor(url, text)).toEqual({
        text: 'Batch 1 (&lt;!channel&gt; &lt;@U1&gt; *a* _b_ `c` ~d~ @everyone &amp; [e](f) \\) is done',
        mrkdwn: false,
      })
    }
  })

  test('Discord mentions nobody and formats nothing', () => {
    const escaped =
      'Batch 1 \\(\\<!channel\\> \\<\\@U1\\> \\*a\\* \\_b\\_ \\`c\\` \\~d\\~ \\@everyone & \\[e\\]\\(f\\) \\\\\\) is done'
    for (const url of ['https://discord.com/api/webhooks/1/x', 'https://canary.discordapp.com/api/webhooks/1/x']) {
      expect(messageFor(url, text)).toEqual({ content: escaped, allowed_mentions: { parse: [] } })
    }
    expect(messageFor('https://discord.com/api/webhooks/1/x/slack', text)).toEqual({
      text: escaped.replaceAll('@', '@\u200B'),
    })
    expect(JSON.stringify(messageFor('https://discord.com/api/webhooks/1/x', '*'.repeat(3000))).length).toBeLessThan(
      4100,
    )
  })

  test('any other receiver gets the plain text', () => {
    for (const url of ['https://chat.example/hooks/x', 'https://slack.com.example/', 'https://notdiscord.com/slack']) {
      expect(messageFor(url, text)).toEqual({ text })
    }
  })
})

describe('notification texts', () => {
  test('carry figures and the next command', () => {
    const pause = { cause: 'reserve', since: 1, detail: '20 credits are left.' } as const
    const since = new Date(1).toLocaleString('sv-SE')
    expect(pausedMessage(pause, { searches: 70, batches: 1 })).toBe(
      `Paused: at the credit reserve since ${since} (20 credits are left). 70 searches wait. Top up, or lower TRACKYARD_CREDIT_RESERVE and restart the worker. \`trackyard-batch status\` tells whether calls then resume by themselves.`,
    )
    expect(pausedMessage(pause, { searches: 90, batches: 2 })).toMatch(/\. Up to 90 searches wait\. Top up/)
    expect(resumedMessage(['no_credits'], [], 500)).toBe(
      'Resumed (was paused: no credits); 500 credits left. Follow with `trackyard-batch status --watch`.',
    )
    expect(resumedMessage(['no_credits'], ['operator'], null)).toMatch(
      /^Pause ended \(no credits\)\. Still paused \(by hand\): see `trackyard-batch status/,
    )
  })
})

describe('notifications', () => {
  let system: InProcessSystem
  beforeEach(async () => {
    system = await startInProcess()
  })
  /** The messages for people that match. */
  const notified = (words = /^/) =>
    system.log
      .logged('notification.sent')
      .map(({ message }) => message)
      .filter((message) => words.test(message))
  afterEach(() => system.close())

  const sendAll = () =>
    notificationSender({
      ...system,
      webhook: openWebhook({ url: channel.url, timeoutMs: 40_000, log: system.log }),
      mayGoOn: async () => true,
      interrupted: never,
    })()

  test('each pause and each resume is sent once, and logged with the same text', async () => {
    // From counters alone: a report looks through a million items, and a worker has calls in hand meanwhile.
    const { pauses, batches, account, notifications } = system.store
    const look = notificationTask({ ...system, store: { pauses, batches, account, notifications }, hasWebhook: true })
    const twice = async () => {
      await look()
      await look()
      await sendAll()
    }
    await system.submit(queries(3))
    await twice()
    await pauses.add({ cause: 'no_credits', since: 100, detail: 'Out of credits: top up' })
    await twice()
    await pauses.add({ cause: 'operator', since: 200, detail: 'lunch' })
    await twice()
    await pauses.lift('no_credits', true)
    await twice()
    await pauses.lift('operator', false)
    await twice()
    await pauses.add({ cause: 'no_credits', since: 300, detail: 'Out of credits: again' })
    await twice()
    expect(texts().map((text) => text.slice(0, 24))).toEqual([
      'Paused: no credits left ',
      'Paused by hand since 197',
      'Pause ended (no credits)',
      'Resumed (was paused: by ',
      'Paused: no credits left ',
    ])
    expect(texts()[0]).toMatch(/3 searches wait/)
    expect(notified()).toEqual(texts())
  })

  test('a running worker posts to TRACKYARD_WEBHOOK_URL', async () => {
    await system.worker({ TRACKYARD_WEBHOOK_URL: channel.url })
    await system.store.pauses.add({ cause: 'operator', since: system.now(), detail: 'lunch' })
    await until(() => channel.posts.length > 0, { timeoutMs: 40_000, what: 'the post' })
    expect(texts()).toEqual([expect.stringMatching(/^Paused by hand since .* \(lunch\)\./)])
  })

  test('a hanging webhook does not delay a stop; the next worker sends the rest', async () => {
    const settings = { TRACKYARD_WEBHOOK_URL: channel.url }
    channel.answers.push(HANGS)
    const worker = await system.worker(settings)
    await system.submit(queries(2))
    await until(() => channel.posts.length > 0, { timeoutMs: 50_000, what: 'the post that hangs' })
    await system.submit(queries(1, 'other'), { name: 'second' })
    await until(() => notified(/^Batch 2/).length > 0, { timeoutMs: 50_000, what: 'the second batch' })
    const startedAt = performance.now()
    await worker.stop()
    // One attempt may take 5 s.
    expect(performance.now() - startedAt).toBeLessThan(4000)
    expect(channel.posts).toHaveLength(1)
    await system.worker(settings)
    await until(() => channel.posts.length >= 3, { timeoutMs: 50_000, what: 'both messages' })
    expect(texts().slice(1)).toEqual([
      expect.stringMatching(/^Batch 1 .* is done/),
      expect.stringMatching(/^Batch 2 .* is done/),
    ])
    await until(async () => (await system.store.notifications.next(0)) === null, {
      timeoutMs: 50_000,
      what: 'the end',
    })
  })

  test('a message expires after a day; the same text is queued once', async () => {
    const { notifications } = system.store
    await notifications.add('old', 1000)
    await notifications.add('new', 2000)
    await notifications.add('new', 3000)
    const next = await notifications.next(2000)
    expect(next?.text).toBe('new')
    await notifications.remove(next?.id ?? 0)
    expect(await notifications.next(0)).toBeNull()
  })

  test('without a webhook no message is stored', async () => {
    await system.worker()
    await system.submit(queries(1))
    await until(() => notified(/^Batch 1/).length > 0, { timeoutMs: 50_000, what: 'the batch' })
    expect(await system.store.notifications.next(0)).toBeNull()
  })

  test('a completed batch is announced once, with its figures', async () => {
    system.simulator.fail({ match: 'scene 2', does: { status: 400 } })
    const settings = { TRACKYARD_WEBHOOK_URL: channel.url }
    await system.submit(queries(4))
    await system.worker(settings)
    await system.worker(settings)
    await until(() => channel.posts.length > 0, { timeoutMs: 50_000, what: 'the webhook' })
    expect(texts()).toEqual([
      'Batch 1 (night) is done: 4 rows, 3 tagged, 0 without a match, 1 dead. Run `trackyard-batch export 1`. See `trackyard-batch dead-letters list --batch 1`.',
    ])
  })

  test('the end of --first or --max-credits is announced once per release', async () => {
    const { pauses, batches, account, notifications } = system.store
    const look = notificationTask({ ...system, store: { pauses, batches, account, notifications }, hasWebhook: true })
    const handler = createSearchProcessor({
      ...system,
      clock: systemClock,
      random: Math.random,
      rules: system.settings(),
      heard: () => {},
    })
    const call = async (...asked: readonly string[]) => {
      for (const query of asked) await handler.handle({ ref: refOf(query) })
      await look()
      await look()
    }
    const id = await system.submit(queries(6), { first: 2 })
    const release = (maxCredits: number | null) =>
      system.store.batches.release(id, { maxCredits, first: null }, system.now())
    await call('scene 1')
    expect(notified(/has (finished|used up)/)).toEqual([])
    await call('scene 2')
    await release(2)
    await call()
    await release(4)
    system.simulator.fail({ match: 'scene 3', does: { status: 400 } })
    // A refusal costs nothing: two more are paid.
    await call('scene 3', 'scene 4', 'scene 5')
    await release(null)
    await call('scene 6')
    await sendAll()
    expect([...texts()].sort()).toEqual([
      'Batch 1 (night) has finished its first 2 searches: 2 of 6 rows tagged, 0 without a match, 4 still to do, 2 credits used. Look at it with `trackyard-batch export 1`; continue with `trackyard-batch release 1`.',
      'Batch 1 (night) has used up --max-credits 4: 4 of 6 rows tagged, 0 without a match, 1 dead, 1 still to do, 4 credits used. Look at it with `trackyard-batch export 1`; continue with `trackyard-batch release 1 --max-credits N`.',
      'Batch 1 (night) is done: 6 rows, 5 tagged, 0 without a match, 1 dead. Run `trackyard-batch export 1`. See `trackyard-batch dead-letters list --batch 1`.',
    ])
    expect(notified(/^Batch 1/)).toHaveLength(3)
  })
})

function errorsToo(_name: string, value: unknown): unknown {
  return value instanceof Error ? { message: value.message, stack: value.stack, cause: value.cause } : value
}
