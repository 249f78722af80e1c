import { readFileSync } from 'node:fs'
import type { IncomingMessage } from 'node:http'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { Redis } from 'ioredis'
import { loadBatch } from '../../src/batches/load-batch.js'
import { secret } from '../../src/config/secret.js'
import { NEVER_ABORTED } from '../../src/domain/abortable.js'
import { UnreachableError } from '../../src/domain/errors.js'
import { formatDateTime } from '../../src/domain/format.js'
import { NOTIFICATION_EVENTS } from '../../src/domain/notification.js'
import {
  pausedNotification,
  resumedNotification,
  workerLostNotification,
} from '../../src/maintenance/notification-messages.js'
import { notificationSender, notificationTask } from '../../src/maintenance/notifications.js'
import { openProcessor } from '../processing/setup.js'
import { proxyServer, withServer } from '../support/connect-proxy.js'
import {
  batchNamed,
  type InProcessSystem,
  queries,
  refOf,
  rowsOf,
  startInProcess,
} from '../support/in-process-system.js'
import { limitRate } from '../support/pauses.js'
import { until } from '../support/until.js'
import { type Channel, HANGS, openChannel, stored, webhookAt } from './channel.js'

let channel: Channel
beforeEach(async () => {
  channel = await openChannel()
})
afterEach(() => channel.close())

const texts = () => channel.posts.map((post) => (post.body as { text: string }).text)

test('the documented events are those that exist', () => {
  const page = readFileSync(join(import.meta.dirname, '../../docs/reference/notifications.md'), 'utf8')
  const documented = [...page.matchAll(/^\| `([a-z_]+\.[a-z_]+)` \|/gm)].map((match) => match[1])
  expect(documented.sort()).toEqual([...NOTIFICATION_EVENTS].sort())
})

describe('notification texts', () => {
  test('carry figures and the next command', () => {
    const pause = { cause: 'reserve', since: 1, detail: '20 credits are left.' } as const
    const since = new Date(1).toLocaleString('sv-SE')
    expect(pausedNotification(pause, { searches: 70, batches: 1 }, null).text).toBe(
      `Paused: at the credit reserve since ${since} (20 credits are left). 70 searches wait. Top up, or lower TRACKYARD_CREDIT_RESERVE and restart the worker. \`trackyard-batch status\` tells whether calls then resume by themselves.`,
    )
    expect(pausedNotification(pause, { searches: 90, batches: 2 }, 45).text).toMatch(
      /\. Up to 90 searches wait, 45 credits are missing\. Top up/,
    )
    const byHand = pausedNotification({ ...pause, cause: 'operator' }, { searches: 90, batches: 1 }, 45)
    expect(byHand).toMatchObject({
      text: expect.stringContaining('90 searches wait. Run'),
      figures: { creditsMissing: null },
    })
    expect(workerLostNotification('w1', 0).text).toMatch(
      /No worker runs now: look at its log, then start another one\.$/,
    )
    expect(workerLostNotification('w1', 2).text).toMatch(/2 workers run now and take its searches\. Look at its log\.$/)
    expect(resumedNotification(['no_credits'], [], 500).text).toBe(
      'Resumed (was paused: no credits); 500 credits left. Follow with `trackyard-batch status --watch`.',
    )
    expect(resumedNotification(['no_credits'], ['operator'], null)).toMatchObject({
      text: expect.stringMatching(
        /^Pause ended \(no credits\)\. Still paused \(by hand\): see `trackyard-batch status/,
      ),
      figures: { causes: ['no_credits'], stillPaused: ['operator'] },
    })
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
      .logged('notification.created')
      .map(({ message }) => message)
      .filter((message) => words.test(message))
  afterEach(() => system.close())

  const task = (more: Partial<Parameters<typeof notificationTask>[0]> = {}) =>
    notificationTask({
      ...system,
      registry: system.queue.registry,
      hasWebhook: true,
      deadPercent: 5,
      creditReserve: 0,
      forecast: async () => ({ creditsEndAt: null, finishAt: new Map() }),
      ...more,
    })

  const sendAll = () =>
    notificationSender({
      ...system,
      webhook: webhookAt(channel.url, { log: system.log }),
      mayGoOn: async () => true,
      interrupted: NEVER_ABORTED,
      random: Math.random,
    })()

  /** A sender that a clock of ours calls every second. */
  function sender(more: Partial<Parameters<typeof notificationSender>[0]>) {
    const start = system.now()
    let second = 0
    const tick = notificationSender({
      ...system,
      webhook: webhookAt(channel.url, { secret: secret('s'), log: system.log }),
      mayGoOn: async () => true,
      interrupted: NEVER_ABORTED,
      random: Math.random,
      now: () => start + second * 1000,
      ...more,
    })
    return {
      tick,
      /** In which of the next seconds it sent something. */
      async retriesAfter(seconds: number): Promise<readonly number[]> {
        const sentAt: number[] = []
        const from = second
        for (; second < from + seconds; second += 1) {
          const before = channel.posts.length
          await tick()
          if (channel.posts.length > before) sentAt.push(second - from)
        }
        return sentAt
      },
    }
  }

  test('each pause and each resume is sent once, and logged with the same text', async () => {
    const { pauses } = system.store
    const look = task()
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
    await pauses.lift('no_credits', true, Date.now())
    await twice()
    await pauses.lift('operator', false, Date.now())
    await twice()
    await pauses.add({ cause: 'no_credits', since: 300, detail: 'Out of credits: again' })
    await twice()
    expect(texts().map((text) => text.slice(0, 24))).toEqual([
      'Batch 1 (night) is relea',
      'Paused: no credits left ',
      'Paused by hand since 197',
      'Pause ended (no credits)',
      'Resumed (was paused: by ',
      'Paused: no credits left ',
    ])
    expect(texts()[1]).toMatch(/3 searches wait/)
    expect(notified()).toEqual(texts())
  })

  test('a resume tells the credits, unless nothing was left before a top-up that the API has not told yet', async () => {
    const { pauses, account } = system.store
    const look = task()
    for (const creditsRemaining of [0, 500]) {
      await account.update({ creditsRemaining }, Date.now())
      await pauses.add({ cause: 'no_credits', since: Date.now(), detail: 'Out of credits' })
      await look()
      await pauses.lift('no_credits', true, Date.now())
      await look()
    }
    expect(notified(/^Resumed/)).toEqual([
      expect.stringMatching(/^Resumed \(was paused: no credits\)\. /),
      expect.stringMatching(/^Resumed \(was paused: no credits\); 500 credits left\. /),
    ])
  })

  test('an outage is notified once at each end, and none of its probes is', async () => {
    const { pauses } = system.store
    const look = task()
    await system.submit(['a'])
    for (const since of [1000, 2000, 3000]) {
      await pauses.add({ cause: 'outage', since, detail: 'HTTP 503' })
      await look()
      await pauses.lift('outage', true, Date.now())
      await look()
    }
    const about = () => notified(/outage|API has been failing/)
    expect(about()).toEqual([expect.stringContaining('HTTP 503')])
    const worker = await system.worker()
    await until(async () => (await pauses.outageFrom()) === null, {
      timeoutMs: 120_000,
      what: 'an answer to the probe',
    })
    await worker.stop()
    await look()
    await look()
    expect(about()).toEqual([
      expect.stringContaining('HTTP 503'),
      expect.stringMatching(/^Resumed \(was paused: API outage\)/),
    ])
  }, 240_000)

  test('a rate limit is notified at its start and end if it is long, and is in the timeline', async () => {
    const { pauses, timeline } = system.store
    let now = system.now()
    const look = task({ now: () => now })
    const limit = async (ms: number) => {
      await limitRate(system.store, now + ms, now)
      await look()
    }
    await limit(60_000)
    await limit(3_600_000)
    await limit(3_601_000)
    const until = formatDateTime(now + 3_600_000)
    expect(notified()).toEqual([`Rate limited by the API until ${until}. Calls then resume by themselves.`])
    expect(await pauses.liftRateLimit(now)).toBe(true)
    now += 2000
    await look()
    await limit(30_000)
    expect(notified()).toHaveLength(1)
    expect(await pauses.liftRateLimit(now)).toBe(true)
    for (let n = 0; n < 3; n += 1) {
      await look()
      now += 10_000
    }
    expect(notified().slice(1)).toEqual(['The rate limit by the API is over.'])
    expect((await timeline.list(9)).map(({ kind, what }) => [kind, what])).toEqual([
      ['resumed', 'The rate limit by the API was lifted.'],
      ['resumed', 'The rate limit by the API was lifted.'],
      ['rate_limited', `Rate limited by the API until ${until}.`],
    ])
  })

  test('what could not be stored of a rate limit is notified by the next look', async () => {
    let now = system.now()
    const { notifications } = system.store
    let failures = 0
    const add: typeof notifications.add = async (...given) => {
      if (failures > 0) {
        failures -= 1
        throw new UnreachableError('the disk is full')
      }
      return notifications.add(...given)
    }
    const look = task({ now: () => now, store: { ...system.store, notifications: { ...notifications, add } } })
    const failOnce = async () => {
      failures = 1
      await expect(look()).rejects.toThrow('the disk is full')
      await look()
    }
    await limitRate(system.store, now + 3_600_000, now)
    await failOnce()
    expect(notified()).toHaveLength(1)
    now += 3_620_000
    await failOnce()
    expect(notified().slice(1)).toEqual(['The rate limit by the API is over.'])
  })

  test('a look that comes late notifies a rate limit no second time', async () => {
    let now = system.now()
    const look = task({ now: () => now })
    await limitRate(system.store, now + 3_600_000, now)
    for (const ms of [2000, 60_000, 600_000]) {
      await look()
      now += ms
    }
    await look()
    expect(notified()).toHaveLength(1)
  })

  test('a rate limit that another worker has seen end does not hide the next one', async () => {
    let now = system.now()
    const look = task({ now: () => now })
    for (let day = 1; day <= 2; day += 1) {
      await limitRate(system.store, now + 3_600_000, now)
      await look()
      expect(notified()).toHaveLength(day)
      now += 86_400_000
    }
  })

  test('a running worker posts to TRACKYARD_WEBHOOK_URL, through the proxy, with its user and password', async () => {
    const seen: IncomingMessage[] = []
    await withServer(proxyServer(seen), async (port) => {
      const worker = await system.worker({
        TRACKYARD_WEBHOOK_URL: channel.url.replace('//', '//ana:s%40fe@'),
        HTTP_PROXY: `http://127.0.0.1:${port}`,
        NO_PROXY: new URL(system.simulator.url).host,
      })
      await system.store.pauses.add({ cause: 'operator', since: system.now(), detail: 'lunch' })
      await until(() => channel.posts.length > 0, { timeoutMs: 120_000, what: 'the post' })
      await worker.stop()
    })
    expect(texts()).toEqual([expect.stringMatching(/^Paused by hand since .* \(lunch\)\./)])
    expect(channel.posts[0]?.headers.authorization).toBe(`Basic ${Buffer.from('ana:s@fe').toString('base64')}`)
    expect(seen.map(({ url }) => url)).toEqual([new URL(channel.url).host])
  })

  test('a worker with a webhook sends what one without it sees first', async () => {
    await system.worker()
    await system.submit(queries(1))
    await until(() => notified(/^Batch 1 .* is done/).length > 0, { timeoutMs: 120_000, what: 'its log line' })
    await system.worker({ TRACKYARD_WEBHOOK_URL: channel.url })
    await system.submit(queries(1, 'other'), { name: 'second' })
    await until(() => notified(/^Batch 2 .* is done/).length > 0, { timeoutMs: 120_000, what: 'the other log line' })
    await until(() => channel.posts.length === 2, { timeoutMs: 60_000, what: 'both messages' })
    expect((await system.status()).notifications.senders).toBe(1)
    expect(texts()).toEqual([
      expect.stringMatching(/^Batch 2 .* is released/),
      expect.stringMatching(/^Batch 2 .* is done/),
    ])
  })

  test('a hanging webhook does not delay a stop; the next worker sends the rest', async () => {
    const settings = { TRACKYARD_WEBHOOK_URL: channel.url }
    channel.answers.push(HANGS)
    const worker = await system.worker(settings)
    await system.submit(queries(2))
    await until(() => channel.posts.length > 0, { timeoutMs: 120_000, what: 'the post that hangs' })
    await system.submit(queries(1, 'other'), { name: 'second' })
    await until(() => notified(/^Batch 2/).length > 0, { timeoutMs: 120_000, what: 'the second batch' })
    const startedAt = performance.now()
    await worker.stop()
    // One attempt may take 5 s.
    expect(performance.now() - startedAt).toBeLessThan(4000)
    expect(channel.posts).toHaveLength(1)
    await system.worker(settings)
    await until(() => channel.posts.length >= 5, { timeoutMs: 120_000, what: 'all messages' })
    expect(texts().slice(1)).toEqual([
      expect.stringMatching(/^Batch 1 .* is released/),
      expect.stringMatching(/^Batch 1 .* is done/),
      expect.stringMatching(/^Batch 2 .* is released/),
      expect.stringMatching(/^Batch 2 .* is done/),
    ])
    await until(async () => (await system.store.notifications.next(0)) === null, {
      timeoutMs: 120_000,
      what: 'the end',
    })
  })

  test('a message expires after a day; the same text is queued once', async () => {
    const { notifications } = system.store
    await notifications.add(stored('old'), 1000)
    await notifications.add(stored('new'), 2000)
    await notifications.add(stored('new'), 3000)
    const next = await notifications.next(2000)
    expect(next?.text).toBe('new')
    await notifications.remove(next?.id ?? 0)
    expect(await notifications.next(0)).toBeNull()
  })

  test('without a webhook no message is stored', async () => {
    await system.worker()
    await system.submit(queries(1))
    await until(() => notified(/^Batch 1/).length > 0, { timeoutMs: 120_000, what: 'the batch' })
    expect(await system.store.notifications.next(0)).toBeNull()
  })

  test('a completed batch is announced once, with its figures', async () => {
    system.simulator.fail({ match: 'scene 2', does: { status: 400 } })
    const settings = { TRACKYARD_WEBHOOK_URL: channel.url }
    await system.submit(queries(4))
    await system.worker(settings)
    await system.worker(settings)
    await until(() => channel.posts.length > 1, { timeoutMs: 120_000, what: 'both messages' })
    expect(texts()).toEqual([
      'Batch 1 (night) is released: 4 rows. Follow with `trackyard-batch status --watch`.',
      'Batch 1 (night) is done: 3 of 4 rows tagged, 1 dead, 3 credits used, in under a minute. Run `trackyard-batch export 1`. See `trackyard-batch dead-letters list --batch 1`.',
    ])
  })

  test('the end of --first or --max-credits is announced once per release', async () => {
    const look = task()
    const handler = openProcessor(system, system.settings(), { random: Math.random })
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
    const ends = texts().filter((text) => !/is released/.test(text))
    expect(ends.sort()).toEqual([
      'Batch 1 (night) has finished its first 2 searches: 2 of 6 rows tagged, 4 unfinished, 2 credits used. Look at it with `trackyard-batch export 1`; continue with `trackyard-batch release 1`.',
      'Batch 1 (night) has used up --max-credits 4: 4 of 6 rows tagged, 1 dead, 1 unfinished, 4 credits used. Look at it with `trackyard-batch export 1`; continue with `trackyard-batch release 1 --max-credits N`.',
      'Batch 1 (night) is done: 5 of 6 rows tagged, 1 dead, 5 credits used, in under a minute. Run `trackyard-batch export 1`. See `trackyard-batch dead-letters list --batch 1`.',
    ])
    expect(notified(/^Batch 1 .* (has|is done)/)).toHaveLength(3)
  })

  test('a receiver that is down gets every message once, in order, when it is back', async () => {
    const { notifications } = system.store
    for (const text of ['first', 'second', 'third']) await notifications.add(stored(text), system.now())
    const { retriesAfter } = sender({ random: () => 0.999_999 })
    channel.answers.push(...Array.from({ length: 9 }, () => 503))
    // One request at a time, and the waits grow from 1 s to a minute.
    expect(await retriesAfter(360)).toEqual([0, 1, 3, 7, 15, 31, 63, 123, 183, 243])
    const accepted = channel.posts
      .slice(9)
      .map(({ body, headers }) => [(body as { text: string }).text, headers['trackyard-delivery']])
    expect(accepted).toEqual([
      ['first', '1'],
      ['second', '2'],
      ['third', '3'],
    ])
  })

  test('a wait is shortened by at most half, and begins again at 1 s after a delivery', async () => {
    const { notifications } = system.store
    for (const text of ['first', 'second']) await notifications.add(stored(text), system.now())
    const { retriesAfter } = sender({ random: () => 0 })
    channel.answers.push(503, 503, 503, 503, 200, 503)
    const { since, ...counts } = (await system.status()).notifications
    expect(counts).toEqual({ pending: 2, senders: 0 })
    expect(since).not.toBeNull()
    expect(await retriesAfter(20)).toEqual([0, 1, 2, 4, 8, 9])
    expect((await system.status()).notifications).toEqual({ pending: 0, since: null, senders: 0 })
  })

  test('the Retry-After of a receiver is obeyed, up to an hour', async () => {
    await system.store.notifications.add(stored('busy'), system.now())
    const { retriesAfter } = sender({ random: () => 0 })
    channel.answers.push(429, 503)
    channel.refusalHeaders['retry-after'] = '40'
    expect(await retriesAfter(41)).toEqual([0, 40])
    channel.refusalHeaders['retry-after'] = '86400'
    channel.answers.unshift(503)
    expect(await retriesAfter(4000)).toEqual([39, 3639])
  })

  test('while it waits it keeps the lease, so that no other worker tries', async () => {
    await system.store.notifications.add(stored('busy'), system.now())
    const { registry } = system.queue
    let renewals = 0
    const mayGoOn = async () => {
      renewals += 1
      return registry.lease('notify', 60_000)
    }
    channel.answers.push(503)
    channel.refusalHeaders['retry-after'] = '600'
    expect(await sender({ mayGoOn }).retriesAfter(10)).toEqual([0])
    expect(renewals).toBe(10)
    const { queue } = await system.another()
    const theirs = sender({ mayGoOn: () => queue.registry.lease('notify', 60_000) })
    expect(await theirs.retriesAfter(10)).toEqual([])
  })

  test('a message refused for its content does not hold up the next', async () => {
    const { notifications } = system.store
    for (const text of ['bad', 'good']) await notifications.add(stored(text), system.now())
    channel.answers.push(400)
    await sendAll()
    expect(texts()).toEqual(['bad', 'good'])
    expect(await notifications.next(0)).toBeNull()
  })

  test('many dead rows are notified once, while the batch still runs', async () => {
    system.simulator.fail({ match: 'bad', does: { status: 400 } })
    const id = await system.submit([...queries(190), ...queries(11, 'bad')])
    const handler = openProcessor(system, system.settings(), { random: Math.random })
    const look = task()
    for (const query of [...queries(10, 'bad'), ...queries(10)]) await handler.handle({ ref: refOf(query) })
    await look()
    await look()
    await sendAll()
    expect(texts().filter((text) => /dead letters/.test(text))).toEqual([
      `Batch ${id} (night) has many dead letters: 10 of 20 finished rows (50 %). See \`trackyard-batch dead-letters list --batch ${id}\`. \`trackyard-batch pause\` stops all calls.`,
    ])
  })

  test('credits that will not suffice are notified once, each search counted once', async () => {
    const { account } = system.store
    await system.submit(queries(6))
    await system.submit(queries(6), { name: 'again' })
    await account.update({ creditsRemaining: 6 }, system.now())
    const look = task()
    await look()
    expect(notified(/^Credits/)).toEqual([])
    await account.update({ creditsRemaining: 5 }, system.now() + 1)
    const creditsEndAt = system.now() + 60_000
    const later = task({ forecast: async () => ({ creditsEndAt, finishAt: new Map() }) })
    await later()
    await later()
    expect(notified(/^Credits/)).toEqual([
      `Credits will not suffice: 6 searches due, 5 credits left. They last until about ${formatDateTime(creditsEndAt)}. Top up 1 or more, or the queue will pause.`,
    ])
  })

  test('a top-up that does not suffice is a new shortage; a corrected count is none', async () => {
    const { account, pauses } = system.store
    let now = system.now()
    let correction = 0
    const get = async () => {
      const known = await account.get()
      return { ...known, creditsRemaining: (known.creditsRemaining ?? 0) + correction }
    }
    const look = task({ now: () => now, store: { ...system.store, account: { ...account, get } } })
    const missing = async (creditsRemaining: number) => {
      now += 1000
      await account.update({ creditsRemaining }, now)
      await look()
      const [last] = notified(/^Credits/).slice(-1)
      return [notified(/^Credits/).length, Number(/Top up (\d+)/.exec(last ?? '')?.[1])]
    }
    await system.submit(queries(10))
    expect(await missing(3)).toEqual([1, 7])
    await pauses.add({ cause: 'no_credits', since: now, detail: 'Out of credits' })
    expect(await missing(0)).toEqual([1, 7])
    expect(notified(/^Paused/)).toEqual([expect.stringContaining('10 searches wait, 10 credits are missing. Top up.')])
    correction = 2
    expect(await missing(0)).toEqual([1, 7])
    correction = 0
    expect(await missing(8)).toEqual([2, 2])
    expect(await missing(7)).toEqual([2, 2])
    expect(await missing(9)).toEqual([3, 1])
  })

  test('a worker that is lost is notified once; one that stops is not', async () => {
    const { registry } = system.queue
    await registry.heartbeat({ id: 'killed', writeFailure: null })
    await registry.heartbeat({ id: 'stopped', writeFailure: null })
    await registry.heartbeat({ id: 'alive', writeFailure: null })
    await registry.unregister('stopped')
    const redis = new Redis(system.redis.url)
    await redis.del(...(await redis.keys('*worker:killed')))
    redis.disconnect()
    let passedMs = 0
    const look = notificationTask({
      ...system,
      registry,
      hasWebhook: true,
      deadPercent: 5,
      creditReserve: 0,
      forecast: async () => ({ creditsEndAt: null, finishAt: new Map() }),
      now: () => system.now() + passedMs,
    })
    await look()
    expect(notified(/^Worker/)).toEqual([])
    passedMs = 10_000
    await look()
    await look()
    await task()()
    expect(notified(/^Worker/)).toEqual([expect.stringMatching(/^Worker killed was lost.* 1 worker runs now/)])
    expect(await registry.workers()).toBe(1)
  })

  const submitWithDeadline = async (deadline: number) => {
    const batch = await loadBatch(system, batchNamed('night'), rowsOf(queries(3)))
    await batch.release({ maxCredits: null, first: null }, { notBefore: null, deadline })
    return batch.id
  }

  test('a batch that will miss its deadline is notified once, after two looks some seconds apart', async () => {
    const start = system.now()
    const deadline = start + 600_000
    const id = await submitWithDeadline(deadline)
    let time = start
    let finishAt: number | null = deadline + 60_000
    let forecasts = 0
    const look = task({
      now: () => time,
      forecast: async () => {
        forecasts += 1
        return { creditsEndAt: null, finishAt: new Map([[id, finishAt]]) }
      },
    })
    const lookAfter = async (ms: number) => {
      time = start + ms
      await look()
      return notified(/deadline,/).length
    }
    // A forecast that is late once is none.
    expect(await lookAfter(0)).toBe(0)
    finishAt = null
    expect([await lookAfter(5000), await lookAfter(7000)]).toEqual([0, 0])
    finishAt = deadline + 60_000
    expect(await lookAfter(60_000)).toBe(0)
    expect(forecasts).toBe(2)
    expect([await lookAfter(65_000), await lookAfter(69_000)]).toEqual([0, 0])
    expect([await lookAfter(70_000), await lookAfter(72_000), await lookAfter(74_000)]).toEqual([0, 1, 1])
    expect(notified(/deadline,/)).toEqual([
      expect.stringMatching(/^Batch \d+ \(night\) will miss its deadline, .* done at about/),
    ])
    const known = forecasts
    finishAt = null
    expect([await lookAfter(200_000), await lookAfter(700_000)]).toEqual([1, 1])
    expect(forecasts).toBe(known)
  })

  test('a batch that is done after its deadline says so, and batch.late comes first', async () => {
    const start = system.now()
    let time = start - 120_000
    const id = await submitWithDeadline(time + 60_000)
    const look = task({ now: () => time })
    await look()
    const handler = openProcessor(system, system.settings(), { random: Math.random })
    for (const query of queries(3)) await handler.handle({ ref: refOf(query) })
    time = system.now()
    await look()
    await sendAll()
    const deadline = formatDateTime(start - 60_000)
    const [, late, done] = channel.posts.map(({ body }) => (body as { figures: Record<string, unknown> }).figures)
    const completedAt = Date.parse(String(done?.completedAt))
    expect(texts()).toEqual([
      `Batch ${id} (night) is released: 3 rows, deadline ${deadline}. Follow with \`trackyard-batch status --watch\`.`,
      `Batch ${id} (night) has missed its deadline, ${deadline}. It was done at ${formatDateTime(completedAt)}. \`trackyard-batch export ${id}\` writes what is done so far.`,
      expect.stringMatching(
        new RegExp(`^Batch ${id} \\(night\\) is done, (1|2) min after its deadline \\(${deadline}\\): 3 of 3 rows`),
      ),
    ])
    const deadlineIso = new Date(start - 60_000).toISOString()
    expect(late).toMatchObject({ finishAt: done?.completedAt, deadline: deadlineIso })
    expect(done).toMatchObject({ deadline: deadlineIso, lateMs: completedAt - (start - 60_000) })
  })

  test('a forecast that fails does not hold up what is done', async () => {
    await submitWithDeadline(system.now() + 600_000)
    const look = task({ forecast: () => Promise.reject(new UnreachableError('Redis is away')) })
    await expect(look()).rejects.toThrow('Redis is away')
    const handler = openProcessor(system, system.settings(), { random: Math.random })
    for (const query of queries(3)) await handler.handle({ ref: refOf(query) })
    await look()
    expect(notified(/is done/)).toHaveLength(1)
  })

  test('a cancelled batch is sent with what is done and what was cancelled', async () => {
    const id = await system.submit(queries(4), { first: 1 })
    const handler = openProcessor(system, system.settings(), { random: Math.random })
    await handler.handle({ ref: refOf('scene 1') })
    const look = task()
    await look()
    await system.store.batches.cancel(id, system.now())
    await look()
    await look()
    await sendAll()
    expect(channel.posts.map(({ body }) => body)).toMatchObject([
      { event: 'batch.released', figures: { rows: 4, unfinished: 3, cancelled: 0 } },
      { event: 'batch.budget_used', figures: { rows: 4, unfinished: 3, cancelled: 0 } },
      {
        event: 'batch.cancelled',
        text: `Batch ${id} (night) was cancelled: 1 of 4 rows tagged, 3 cancelled, 1 credit used. \`trackyard-batch export ${id}\` writes what is done.`,
        batch: { id, name: 'night' },
        figures: { rows: 4, tagged: 1, unfinished: 0, cancelled: 3, creditsUsed: 1, continuedBy: null },
      },
    ])
  })

  test('each log line has the event, the ids and the figures as fields', async () => {
    const [look, unsent] = [task(), task({ hasWebhook: false })]
    const id = await system.submit(queries(2))
    await look()
    await system.store.pauses.add({ cause: 'operator', since: 1000, detail: 'lunch' })
    await look()
    await unsent()
    const next = await system.store.notifications.next(0)
    expect(system.log.logged('notification.created').map(({ facts }) => facts)).toEqual([
      expect.objectContaining({
        event: 'notification.created',
        notification: 'batch.released',
        delivery: next?.id,
        batch: id,
        figures: next?.figures,
      }),
      expect.objectContaining({ notification: 'queue.paused', delivery: (next?.id ?? 0) + 1, batch: null }),
      expect.objectContaining({ notification: 'queue.paused', delivery: null, batch: null }),
    ])
  })
})
