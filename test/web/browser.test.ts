import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { QueueEvents } from 'bullmq'
import type { Page, Request } from 'playwright-core'
import type { DeadLetter } from '../../src/domain/dead-letter.js'
import { silentLogger } from '../../src/domain/logger.js'
import { deadLetterIdOf, type SearchRef } from '../../src/domain/search-id.js'
import { DEFAULT_PREFIX, openSearchQueue, type SearchQueue } from '../../src/queue/search-queue.js'
import { openStore } from '../../src/store/open-store.js'
import type { Store } from '../../src/store/store.js'
import { type Board, startBoard } from '../../src/web/start-board.js'
import { LOCKS } from '../queue/setup.js'
import { startRedis, type TestRedis } from '../support/redis.js'
import { until } from '../support/until.js'
import { openChromium, type TestBrowser } from './chromium.js'
import { A_FINGERPRINT, aReport } from './setup.js'

/**
 * What the operator sees and presses, in a real Chromium, over the real queues with their parking worker.
 */
const LETTER: DeadLetter = {
  search: A_FINGERPRINT,
  query: 'calm piano',
  status: 400,
  error: 'limit must be a number',
  code: 'invalid_parameters',
  message: null,
  request_id: 'req_17',
  attempts: 1,
  items: 3,
  died_at: '2026-01-01T02:10:00.000Z',
  remedy: 'Check the query, then submit the corrected row.',
  maybe_paid: false,
}
const REASON = 'Paused since 02:10: the account is out of credits.'

let redis: TestRedis
let queue: SearchQueue
/** BullMQ's word on what became of a letter. */
let letters: QueueEvents
let board: Board
let store: Store
let folder: string
let browser: TestBrowser
let page: Page
/** Everything the page wanted, from anywhere. */
const wanted: Request[] = []
const called: string[] = []
const retried: SearchRef[] = []

beforeAll(async () => {
  redis = await startRedis()
  queue = await openSearchQueue({ connection: { url: redis.url }, log: silentLogger })
  await queue.deadLetters.work({
    ...LOCKS,
    retry: async (ref) => {
      retried.push(ref)
    },
  })
  letters = new QueueEvents('dead-letters', {
    connection: { host: '127.0.0.1', port: redis.port, maxRetriesPerRequest: null },
    prefix: DEFAULT_PREFIX,
  })
  await letters.waitUntilReady()
  folder = await mkdtemp(join(tmpdir(), 'board-'))
  store = await openStore({ path: join(folder, 'trackyard.db') })
  board = await startBoard({
    host: '127.0.0.1',
    port: 0,
    path: '',
    user: 'trackyard',
    password: null,
    readOnly: false,
    queues: queue.boardQueues,
    actions: {
      pause: async (reason) => {
        called.push(`pause: ${reason}`)
        await queue.throttle.pause()
      },
      resume: async () => {
        called.push('resume')
        await queue.throttle.resume()
      },
    },
    store,
    confirmAbove: 1,
    now: Date.now,
    report: async () => aReport({ queue: { ...aReport().queue, reason: REASON } }),
    ready: async () => ({ ok: true, reason: '' }),
    log: silentLogger,
    version: '1.2.3',
  })
  browser = await openChromium()
  page = browser.page
  page.setDefaultTimeout(50_000)
  page.on('request', (request) => wanted.push(request))
}, 240_000)

afterAll(async () => {
  await browser?.close()
  await board?.close()
  await letters?.close()
  await queue?.close()
  await redis?.stop()
  await store?.close()
  if (folder !== undefined) await rm(folder, { recursive: true, force: true })
}, 240_000)

test('a dead letter is under Failed with its remedy, and Retry sends it back', async () => {
  const ref = await deadLetter(1)
  await page.getByText('400 invalid_parameters · calm piano').waitFor()
  await page.getByText('limit must be a number').waitFor()
  await page.getByText('then submit the corrected row').waitFor()

  const gone = once(letters, 'completed', { signal: AbortSignal.timeout(50_000) })
  await page.locator('[class*=jobActions] button:has(.lucide-refresh-cw)').click()
  await confirm()
  await page.getByText('400 invalid_parameters · calm piano').waitFor({ state: 'detached' })
  await gone
  expect(retried).toEqual([ref])
  expect(await queue.boardQueues.deadLetters.getJobCountByTypes()).toBe(0)
}, 240_000)

test('Pause and Resume reach the use cases, and the page says why nothing moves', async () => {
  await page.goto(`${board.url}/queues/queue/search`)
  await page.getByText(REASON).waitFor()
  await chooseFromMenu('Pause')
  expect(called).toEqual(['pause: paused in Bull Board'])
  expect(await queue.throttle.isPaused()).toBe(true)

  await page.reload()
  await chooseFromMenu('Resume')
  expect(called[1]).toBe('resume')
  expect(await queue.throttle.isPaused()).toBe(false)
}, 240_000)

test('a button that would break the queue is refused, and a notice says what to do instead', async () => {
  await page.goto(`${board.url}/queues/queue/search`)
  await chooseFromMenu('Empty')
  await page.getByText('To stop a batch, run `trackyard-batch cancel`').first().waitFor()

  await deadLetter(2)
  await page.locator('[class*=jobActions] button:has(.lucide-trash-2)').click()
  await confirm()
  await page.getByText('Discard it with `trackyard-batch dead-letters discard`').first().waitFor()
  expect(await queue.boardQueues.deadLetters.getJobCountByTypes()).toBe(1)
}, 240_000)

test('Bull Board shows both queues, and nothing that the page wants from outside leaves the browser', async () => {
  await page.goto(`${board.url}/queues`)
  await page.getByRole('link', { name: 'Searches' }).waitFor()
  await page.getByRole('link', { name: 'Dead letters' }).waitFor()
  await page.locator('header button:has(.lucide-circle-user-round), header button:has(.lucide-circle-user)').click()
  expect(await page.getByRole('menuitem', { name: 'Overview' }).getAttribute('href')).toBe('/')
  await page.keyboard.press('Escape')
  expect(wanted.length).toBeGreaterThan(10)
  const outside = wanted.filter((request) => !request.url().startsWith(`${board.url}/`))
  // That a request was wanted is told before what became of it.
  const areOver = () => outside.every((request) => request.failure() !== null)
  await until(areOver, { timeoutMs: 120_000, what: 'the end of every request to the outside' })
  expect(outside.map((request) => request.failure()?.errorText)).toEqual(outside.map(() => 'csp'))
}, 240_000)

/** A new dead letter, and the page on which it stands. */
async function deadLetter(generation: number): Promise<SearchRef> {
  const ref = { fingerprint: A_FINGERPRINT, generation, round: 1 }
  await queue.deadLetters.add([{ ref, letter: LETTER }])
  await page.goto(`${board.url}/queues/queue/dead-letters?status=failed`)
  await page.getByText(deadLetterIdOf(ref)).waitFor()
  return ref
}

async function chooseFromMenu(item: string): Promise<void> {
  await page.locator('button[aria-haspopup=menu]:has(.lucide-ellipsis-vertical)').click()
  await page.getByRole('menuitem', { name: item, exact: true }).click()
  await confirm()
}

/** Resolves when the server has answered. */
async function confirm(): Promise<void> {
  const answered = page.waitForResponse((response) => response.request().method() !== 'GET')
  await page.getByRole('button', { name: 'Confirm' }).click()
  await answered
}
