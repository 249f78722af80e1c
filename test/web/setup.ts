import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Queue } from 'bullmq'
import { status } from '../../src/batches/status.js'
import type { StatusReport } from '../../src/batches/status-report.js'
import { silentLogger } from '../../src/domain/logger.js'
import type { ActivityStore } from '../../src/store/activity.js'
import { openStore } from '../../src/store/open-store.js'
import type { Reports, Store, WhichBatches } from '../../src/store/store.js'
import type { TimelineStore } from '../../src/store/timeline.js'
import type { BoardOptions } from '../../src/web/board-options.js'
import { type Board, startBoard } from '../../src/web/start-board.js'
import { startRedis, type TestRedis } from '../support/redis.js'

/** A board over two real queues in a real Redis, with use cases that write down that they were called. */
export interface TestBoard extends Board {
  /** What it was started with. */
  readonly options: BoardOptions
  readonly redis: TestRedis
  /** Empty at first. */
  readonly store: Store
  readonly search: Queue
  readonly deadLetters: Queue
  /** What pause and resume were called with, in order. */
  readonly called: string[]
  /** How often the report was asked for. */
  reports(): number
  say(reason: string): void
  post(path: string, fields?: Record<string, string>, headers?: Record<string, string>): Promise<Response>
  put(path: string, headers?: Record<string, string>): Promise<Response>
  get(path: string, headers?: Record<string, string>): Promise<Response>
  [Symbol.asyncDispose](): Promise<void>
}

/** What the pages show instead of what is in the store. */
export interface Scenery {
  readonly activity?: ActivityStore['read']
  readonly timeline?: TimelineStore['list']
  readonly callsByOutcome?: Reports['callsByOutcome']
}

export async function setup(settings: Partial<BoardOptions> = {}, scenery: Scenery = {}): Promise<TestBoard> {
  const redis = await startRedis()
  const connection = { host: '127.0.0.1', port: redis.port, maxRetriesPerRequest: null, retryStrategy: () => 50 }
  const [search, deadLetters] = ['search', 'dead-letters'].map((name) => {
    const queue = new Queue(name, { connection, prefix: '{trackyard}' })
    queue.on('error', () => {})
    return queue
  }) as [Queue, Queue]
  const folder = await mkdtemp(join(tmpdir(), 'board-'))
  const store = await openStore({ path: join(folder, 'trackyard.db') })
  const called: string[] = []
  let reason = 'Running.'
  let asked = 0

  const options: BoardOptions = {
    host: '127.0.0.1',
    port: 0,
    path: '',
    user: 'trackyard',
    password: null,
    readOnly: false,
    queues: { search, deadLetters },
    actions: {
      pause: async (why) => {
        called.push(`pause: ${why}`)
        await search.pause()
      },
      resume: async () => {
        called.push('resume')
        await search.resume()
      },
    },
    store: {
      ...store,
      reports: { ...store.reports, callsByOutcome: scenery.callsByOutcome ?? store.reports.callsByOutcome },
      activity: { ...store.activity, read: scenery.activity ?? store.activity.read },
      timeline: { ...store.timeline, list: scenery.timeline ?? store.timeline.list },
    },
    confirmAbove: 500,
    now: Date.now,
    report: async ({ redisProblem, ...which } = {}) => {
      asked += 1
      const queue = { ...aReport().queue, reason: redisProblem ?? reason }
      return aReport({ queue, batches: await batchesOf(store, { limit: 20, ...which }) })
    },
    ready: async () => ({ ok: true, reason: 'Redis and the store answer.' }),
    log: silentLogger,
    version: '1.2.3',
    ...settings,
  }
  const board = await startBoard(options)

  return {
    ...board,
    options,
    redis,
    store,
    search,
    deadLetters,
    called,
    reports: () => asked,
    say: (sentence) => {
      reason = sentence
    },
    get: (path, headers = {}) => fetch(`${board.url}${path}`, { headers, redirect: 'manual' }),
    post: (path, fields = {}, headers = {}) =>
      fetch(`${board.url}${path}`, { method: 'POST', headers, body: new URLSearchParams(fields), redirect: 'manual' }),
    put: (path, headers = {}) => fetch(`${board.url}${path}`, { method: 'PUT', headers }),
    [Symbol.asyncDispose]: async () => {
      await board.close()
      await Promise.all([search.close(), deadLetters.close()])
      await redis.stop()
      await store.close()
      await rm(folder, { recursive: true, force: true, maxRetries: 5 })
    },
  }
}

export async function batchesOf(store: Store, which: WhichBatches): Promise<StatusReport['batches']> {
  const settings = { rateLimit: 'auto', autoResumeHours: 24, creditReserve: 0, activeHours: null } as const
  return (await status({ store, queue: null, now: Date.now, settings }, which)).batches
}

export const A_FINGERPRINT = '0123456789abcdef0123456789abcdef'

export function aReport(changed: Partial<StatusReport> = {}): StatusReport {
  return {
    queue: {
      state: 'running',
      reason: 'Running.',
      until: null,
      since: null,
      causes: [],
      probing: false,
      waiting: 120,
      active: 3,
      delayed: 4,
      dead_letters: 2,
      workers: 1,
      write_failures: 0,
    },
    credits: {
      remaining: 4210,
      spent: 80,
      unknown_outcomes: 1,
      unknown_unseen: 1,
      needed: 120,
      missing: 0,
      last_until: null,
    },
    calls_per_minute: { limit: 300, last: 291 },
    finish_at: null,
    notifications: { pending: 3, since: '2026-01-01T00:00:00.000Z', senders: 1 },
    timeline: [],
    workers: [{ host: 'night-box', pid: 4711, since: '2026-01-01T00:00:00.000Z', in_flight: 3, write_failure: null }],
    batches: [],
    ...changed,
  }
}

export const SOME_CALLS = {
  sent: 3,
  unknown: 1,
  answered: 79,
  unreadable: 1,
  rate_limited: 7,
  out_of_credits: 0,
  unauthorized: 0,
  refused: 2,
  transient: 5,
}
