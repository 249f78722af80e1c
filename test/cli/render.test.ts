import { PassThrough } from 'node:stream'
import { describe, expect, test } from '@jest/globals'
import type { BatchPlan } from '../../src/app/submit.js'
import { estimate } from '../../src/batches/estimate.js'
import type { StatusReport } from '../../src/batches/status-report.js'
import { openCli, openPaint } from '../../src/cli/lib/cli.js'
import { fitToScreen } from '../../src/cli/lib/fit-to-screen.js'
import { openWaitView } from '../../src/cli/lib/progress.js'
import { renderPlan } from '../../src/cli/render/plan-text.js'
import { renderStatus } from '../../src/cli/render/status-text.js'
import { formatDuration, formatTable, formatTime, pluralize, truncate } from '../../src/domain/format.js'
import type { Account, BatchReport, Plan } from '../../src/store/store.js'
import { until } from '../support/until.js'
import { terminal } from './setup.js'

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

describe('words', () => {
  test.each([
    [0, '0 searches'],
    [1, '1 search'],
    [1234567, '1,234,567 searches'],
    [1299.5008319, '1,299.5008319 searches'],
  ])('%d searches reads %s', (count, said) => {
    expect(pluralize(count, 'search')).toBe(said)
  })

  test.each([
    [59_999, 'under a minute'],
    [MINUTE, '1 min'],
    [59.7 * MINUTE, '1 h'],
    [90 * MINUTE, '1 h 30 min'],
    [DAY - 1, '1 day'],
    [DAY + 4 * HOUR, '1 day 4 h'],
    [13.9 * DAY, '13 days 22 h'],
  ])('%d ms is %s', (ms, said) => {
    expect(formatDuration(ms)).toBe(said)
  })

  test('truncate removes control characters and cuts between characters', () => {
    expect(truncate('a\u001B[2Jb\nc', 20)).toBe('a [2Jb c')
    expect(truncate('🎬🎬🎬🎬', 3)).toBe('🎬🎬…')
  })

  test('columns line up, numbers to the right', () => {
    expect(
      formatTable(
        [
          ['name', 'rows'],
          ['a', '1'],
          ['longer', '12,345'],
        ],
        [1],
      ),
    ).toBe('name      rows\na            1\nlonger  12,345')
  })
})

describe('the plan says what to do if credits or limits do not suffice', () => {
  const plan: Plan = {
    rows: 12_000,
    accepted: 11_990,
    invalid: 10,
    invalidReasons: ['line 3: expected a title, found nothing'],
    repeatedIds: 0,
    searches: 11_000,
    alreadyQueued: 400,
    alreadyAnswered: 500,
    alreadyDead: 100,
    discarded: 0,
    creditsNeeded: 10_000,
    dueElsewhere: 0,
    examples: [{ query: 'calm harbor', limit: 20, offset: 0 }],
  }
  const free: Account = {
    creditsRemaining: 50,
    limitPerMinute: 5,
    limitPerDay: 50,
    remainingToday: 50,
    tier: 'free',
    monthlyAllowance: 50,
    heardAt: 0,
    apiUrl: null,
  }
  const shown = (account: Account, cap: number | null = null, more: Partial<BatchPlan> = {}): string => {
    const view: BatchPlan = {
      ...plan,
      name: 'night',
      estimate: estimate({
        plan,
        account,
        callsPerMinute: account.limitPerMinute ?? 5,
        creditReserve: 0,
        activeHours: null,
        cap,
        rateLimitedUntil: null,
        now: 0,
      }),
      isRateKnown: true,
      cap,
      creditReserve: 0,
      activeHours: null,
      notBefore: null,
      deadline: null,
      meetsDeadline: null,
      accountStaleReason: null,
      replacedColumns: [],
      notes: [],
      doubts: [],
      needsConfirmation: false,
      warnings: [],
      continues: null,
      pause: null,
      rateLimitedUntil: null,
      ...more,
      now: 0,
    }
    return renderPlan(view, openPaint(new PassThrough(), {}))
  }

  test('credits missing and a daily limit', () => {
    expect(shown(free)).toMatch(/9,950 credits short: the queue pauses when credits run out and resumes after a top-up/)
    expect(shown(free)).toMatch(/199 monthly allowances more/)
    expect(shown(free)).toMatch(/does not fit into one daily limit: about 200 days\..*--first N/)
  })

  test('no warning if everything suffices', () => {
    const pro = { ...free, creditsRemaining: 50_000, limitPerMinute: 300, limitPerDay: null, remainingToday: null }
    expect(shown(pro)).not.toMatch(/short|--first|days/)
    expect(shown(pro)).toMatch(/answered +500 +reused for free/)
    expect(shown(pro)).toMatch(/dead +100 +not retried/)
  })

  test('a pause or rate limit, in one line after the finish time', () => {
    const pause = { cause: 'no_credits', since: 0, detail: 'Out of credits' } as const
    expect(shown(free)).not.toMatch(/counts from/)
    expect(shown(free, null, { pause, rateLimitedUntil: DAY })).toMatch(
      /\nPaused: no credits left since \S+ \(the API says "Out of credits"\)\. The finish time counts from when it resumes\.\n/,
    )
    expect(shown(free, null, { rateLimitedUntil: DAY })).toMatch(
      /^finish .* \(after the rate limit, which ends at 1970-01-02 \d\d:\d\d, if nothing else uses the key\)$/m,
    )
    expect(shown(free, 0, { rateLimitedUntil: DAY })).not.toMatch(/rate limit, which/)
    expect(shown(free, null, { pause, deadline: 1000 * DAY })).toMatch(
      /\nWhether it will meet its deadline \(.*\) depends on when the pause will end and when there will be 9,950 more credits\.\n/,
    )
  })

  test('which columns of an earlier export are replaced', () => {
    expect(shown(free)).not.toMatch(/replaced/)
    expect(shown(free, null, { replacedColumns: ['trackyard_status', 'trackyard_genre', 'trackyard_bpm'] })).toContain(
      '\nColumns of an earlier export (trackyard_status, trackyard_genre, …) are replaced in a CSV export.\n',
    )
    expect(shown(free, null, { replacedColumns: ['trackyard_error'] })).toMatch(/ export \(trackyard_error\) are /)
  })

  test('how much a cap withholds', () => {
    expect(shown({ ...free, creditsRemaining: 100 }, 20)).toMatch(
      /credits needed +20 +capped; 9,980 searches withheld until you release them/,
    )
  })
})

const NONE_PENDING = { pending: 0, since: null, senders: 1 }

test.each([
  [
    { pending: 3, senders: 1 },
    61,
    'idle',
    "3 wait since TIME; the webhook does not accept them (see the worker's log)",
  ],
  [{ pending: 1, senders: 0 }, 61, 'idle', '1 waits since TIME; no worker with TRACKYARD_WEBHOOK_URL is running'],
  [{ pending: 1, senders: 0 }, 61, 'unknown', '1 waits since TIME'],
  [{ pending: 3, senders: 1 }, 59, 'idle', null],
])('notifications %j that wait for %i s in state %s: %s', (pending, seconds, state, expected) => {
  const now = Date.UTC(2026, 2, 1, 12)
  const at = now - seconds * 1000
  const report = {
    queue: { state, reason: 'Nothing is due.', waiting: 0, active: 0, delayed: 0, workers: 1, dead_letters: 0 },
    credits: { remaining: 9, spent: 1, unknown_unseen: 0 },
    calls_per_minute: { last: 0, limit: 5 },
    finish_at: null,
    notifications: { ...pending, since: new Date(at).toISOString() },
    batches: [],
  } as unknown as StatusReport
  const view = { report, finishAt: null, unknown: null, moreBatches: 0, now }
  const shown = /^notifications +(.*)$/m.exec(renderStatus(view, openPaint(new PassThrough(), {})))
  expect(shown?.[1] ?? null).toBe(expected?.replace('TIME', formatTime(at, now)) ?? null)
})

test('a deadline has a line until the batch is over', () => {
  const now = Date.UTC(2026, 2, 1)
  const deadline = new Date(now - 60_000).toISOString()
  const shown = (state: string) => {
    const batch = {
      batch: 1,
      name: 'night',
      state,
      rows: 1,
      tagged: 1,
      not_before: null,
      deadline,
      created_at: deadline,
    }
    const report = {
      queue: {
        state: 'idle',
        reason: 'Nothing is due.',
        waiting: 0,
        active: 0,
        delayed: 0,
        workers: 1,
        dead_letters: 0,
      },
      credits: { remaining: 9, spent: 1, unknown_unseen: 0 },
      calls_per_minute: { last: 0, limit: 5 },
      finish_at: null,
      notifications: NONE_PENDING,
      batches: [batch],
    } as unknown as StatusReport
    return renderStatus(
      { report, finishAt: null, unknown: null, moreBatches: 0, now },
      openPaint(new PassThrough(), {}),
    )
  }
  expect(shown('released')).toContain('has missed its deadline')
  for (const state of ['done', 'cancelled']) expect(shown(state)).not.toContain('deadline')
})

test('calls of unknown outcome: a line for each search, the number of the others, the remedy', () => {
  const report = {
    queue: { state: 'idle', reason: 'Nothing is due.', waiting: 0, active: 0, delayed: 0, workers: 1, dead_letters: 0 },
    credits: { remaining: 9, spent: 1, unknown_unseen: 30 },
    calls_per_minute: { last: 0, limit: 5 },
    finish_at: null,
    notifications: NONE_PENDING,
    batches: [],
  } as unknown as StatusReport
  const each = { search: 'ab'.repeat(32), query: 'calm', calls: 8, lastAt: 0 }
  const shown = (count: number) =>
    renderStatus(
      { report, finishAt: null, unknown: { count, searches: [each, each] }, moreBatches: 0, now: 0 },
      openPaint(new PassThrough(), {}),
    )
  const line = ' {2}unknown outcome: (ab){6} {2}8 calls, the last at \\d\\d:\\d\\d:\\d\\d {2}calm\n'
  const remedy = ' {2}Once you have checked them, hide them: `trackyard-batch status --unknown --seen`\n\n'
  expect(shown(2)).toMatch(new RegExp(`\n${line}${line}${remedy}`))
  const more = ' {2}… and 1,998 more searches: `trackyard-batch status --unknown`\n'
  expect(shown(2000)).toMatch(new RegExp(`\n${line}${line}${more}${remedy}`))
})

test('the screen has room for what wraps: the end is cut, wide letters are counted', () => {
  const fitted = (lines: readonly string[], rows: number) =>
    fitToScreen(lines.join('\n'), { columns: 10, rows }).split('\n')
  expect(fitted(['a', 'b', 'c'], 4)).toEqual(['a', 'b', 'c'])
  expect(fitted(['a', 'b', 'c'], 3)).toEqual(['a', '… 2 more lines'])
  expect(fitted(['x'.repeat(11), 'b', 'c', 'd'], 5)).toEqual(['x'.repeat(11), 'b', '… 2 more lines'])
  expect(fitted([`\u001B[31m${'x'.repeat(10)}\u001B[39m`, 'b', 'c'], 4)).toHaveLength(3)
  expect(fitted(['海'.repeat(6), 'b', 'c'], 4)).toEqual(['海'.repeat(6), '… 2 more lines'])
})

test('on a terminal wait draws a bar and restores the cursor', async () => {
  const stderr = terminal(new PassThrough())
  const drawn: Buffer[] = []
  stderr.on('data', (part: Buffer) => drawn.push(part))
  const io = { stdout: new PassThrough(), stderr, stdin: new PassThrough(), env: {}, cwd: '/' }
  const never = new AbortController().signal
  const view = await openWaitView(openCli({ ...io, interruptSignal: () => ({ signal: never, dispose: () => {} }) }))
  const batch = { batch: { id: 3, state: 'released', items: 2000 }, waiting: 500, withheld: 0 } as BatchReport
  const status = {
    queue: { state: 'running', reason: 'Running: all is well.', causes: [] },
    credits: { remaining: 1234 },
    calls_per_minute: { last: 1 },
    finish_at: '2099-01-01T00:00:00.000Z',
    batches: [{ finish_at: null }],
  } as unknown as StatusReport
  view.show(batch, { report: status, redisProblem: null })
  const text = (): string => Buffer.concat(drawn).toString()
  await until(() => text().includes('Running'), { timeoutMs: 120_000, what: 'the bar to be drawn' })
  view.end()
  expect(text()).toContain('75%  1,500 of 2,000 rows done; 1 call a minute, 1,234 credits left')
  expect(text()).toContain('Running: all is well.')
  // All searches finish then; this batch does not say when.
  expect(text()).not.toContain('finish')
  expect(text().lastIndexOf('\u001B[?25h')).toBeGreaterThan(text().lastIndexOf('\u001B[?25l'))
})
