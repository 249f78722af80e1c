import type { BatchStatus, StatusReport } from '../../src/batches/status-report.js'
import type { Activity, EndedOutcome, StopCause } from '../../src/store/activity.js'
import type { TimelineEntry } from '../../src/store/timeline.js'
import { aReport } from './setup.js'

/** States of a night as the pages show them. */
export interface Scene {
  readonly report: StatusReport
  readonly activity: Activity
  readonly timeline: readonly TimelineEntry[]
}

const MINUTE_MS = 60_000

type Rates = Partial<Record<EndedOutcome, number>>

/** The last `minutes`, from what each minute was like. */
export function activityOf(
  now: number,
  minutes: number,
  minuteOf: (ago: number) => { readonly calls: Rates; readonly stopped?: StopCause | null; readonly limit?: number },
  lastCredits = 42_210,
): Activity {
  const calls: Record<EndedOutcome, number> = {
    answered: 0,
    unreadable: 0,
    unknown: 0,
    rate_limited: 0,
    out_of_credits: 0,
    unauthorized: 0,
    refused: 0,
    transient: 0,
  }
  let credits = 42_210
  let rowsDone = 18_568
  const all = Array.from({ length: minutes + 1 }, (_, index) => {
    const ago = minutes - index
    const { calls: ended, limit = 300 } = minuteOf(ago)
    for (const [outcome, count] of Object.entries(ended)) calls[outcome as EndedOutcome] += count
    credits -= ended.answered ?? 0
    rowsDone += ended.answered ?? 0
    return {
      minute: Math.floor(now / MINUTE_MS) - ago,
      credits,
      limitPerMinute: limit,
      rows: 50_000,
      rowsDone,
      calls: { ...calls },
      batch: null,
    }
  })
  // They end where the reports say.
  const last = all.at(-1)
  const samples = all.map((sample) => ({
    ...sample,
    credits: sample.credits + lastCredits - (last?.credits ?? 0),
    rowsDone: Math.max(0, sample.rowsDone + 18_568 - (last?.rowsDone ?? 0)),
  }))
  const stops = samples.flatMap(({ minute }, index) => {
    const { stopped = null } = minuteOf(minutes - index)
    return stopped === null ? [] : [{ cause: stopped, minute, minutes: 1 }]
  })
  return { samples, stops }
}

export function aBatchStatus(changed: Partial<BatchStatus> = {}): BatchStatus {
  return {
    batch: 1,
    name: 'spring catalog',
    state: 'released',
    rows: 50_000,
    tagged: 17_411,
    no_match: 912,
    waiting: 31_432,
    withheld: 0,
    dead: 31,
    invalid: 214,
    cancelled: 0,
    credits_spent: 18_360,
    credits_needed: 31_432,
    calls_last_minute: 288,
    finish_at: null,
    created_at: new Date(Date.now() - 3 * 3_600_000).toISOString(),
    completed_at: null,
    not_before: null,
    deadline: null,
    meets_deadline: null,
    ...changed,
  }
}

const wave = (ago: number, height: number) => Math.round(height * (0.93 + 0.06 * Math.sin(ago / 3)))

export function scenes(now: number): Readonly<Record<string, Scene>> {
  const iso = (ago: number) => new Date(now - ago * MINUTE_MS).toISOString()
  const { queue, credits } = aReport()
  const entry = (ago: number, kind: TimelineEntry['kind'], by: TimelineEntry['by'], what: string): TimelineEntry => ({
    at: now - ago * MINUTE_MS,
    kind,
    by,
    what,
  })
  const started = [
    entry(170, 'released', 'command', 'Batch 1 (spring catalog) was released: 50,000 rows, 48,880 searches.'),
    entry(240, 'credits_topped_up', 'worker', 'Credits went up from 120 to 24,000.'),
  ]
  const batches = [
    aBatchStatus(),
    aBatchStatus({
      batch: 2,
      name: 'radio archive',
      rows: 1_200,
      state: 'done',
      tagged: 1_100,
      no_match: 78,
      waiting: 0,
      dead: 22,
      invalid: 0,
      credits_spent: 1_180,
      credits_needed: 0,
      calls_last_minute: 0,
      completed_at: iso(55),
    }),
  ]
  const running = aReport({
    queue: {
      ...queue,
      reason: 'Running: 288 calls in the last minute, limit 300; 31,432 searches due.',
      waiting: 31_432,
      active: 5,
      delayed: 12,
      workers: 2,
      dead_letters: 53,
    },
    credits: { ...credits, remaining: 42_210, spent: 18_360, needed: 31_432 },
    calls_per_minute: { limit: 300, last: 288 },
    finish_at: iso(-105),
    workers: [
      { host: 'night-box', pid: 4711, since: iso(170), in_flight: 3, write_failure: null },
      { host: 'night-box', pid: 4713, since: iso(41), in_flight: 2, write_failure: null },
    ],
    batches,
  })
  const paused = (cause: StatusReport['queue']['causes'][number], reason: string, ago: number): StatusReport => ({
    ...running,
    queue: { ...running.queue, state: 'paused', causes: [cause], reason, since: iso(ago), active: 0 },
    calls_per_minute: { limit: 300, last: 0 },
    finish_at: null,
  })
  const steady = (ago: number) => ({ calls: { answered: wave(ago, 288), refused: ago % 9 === 0 ? 2 : 0 } })
  const until = (end: number, cause: StopCause, before: Rates = {}) =>
    activityOf(
      now,
      600,
      (ago) => (ago <= end ? { calls: ago === end ? before : {}, stopped: cause } : steady(ago)),
      cause === 'no_credits' ? 0 : undefined,
    )
  const idle: StatusReport = {
    ...running,
    queue: {
      ...running.queue,
      state: 'idle',
      reason: 'Nothing is due.',
      waiting: 0,
      active: 0,
      delayed: 0,
      dead_letters: 0,
    },
    credits: { ...running.credits, needed: 0, unknown_outcomes: 0 },
    calls_per_minute: { limit: 300, last: 0 },
    finish_at: null,
    batches: [],
  }
  return {
    healthy: { report: running, activity: activityOf(now, 600, steady), timeline: started },
    'rate limited': {
      report: {
        ...running,
        queue: {
          ...running.queue,
          state: 'rate_limited',
          until: iso(-1),
          reason:
            'Rate limited by the API: no calls until 02:31:00 (the API says "Rate limit exceeded"); 31,432 searches due. Every call since 02:01:13 got HTTP 429 (free of charge). Check whether another program uses this key, or ask Trackyard.',
        },
        finish_at: null,
      },
      activity: activityOf(now, 600, (ago) =>
        ago < 29
          ? { calls: { rate_limited: 30 + (ago % 7) * 9, answered: ago % 5 }, stopped: 'rate_limit' }
          : steady(ago),
      ),
      timeline: [entry(31, 'limit_changed', 'worker', 'The limit went from 300 to 60 calls a minute.'), ...started],
    },
    'no credits': {
      report: {
        ...paused(
          'no_credits',
          'Paused: no credits left since 02:10:09 (the API says "Insufficient credits"). 31,432 searches wait and need 31,432 credits. Top up. Calls then resume by themselves if the balance suffices by 14:10:09, or with `trackyard-batch resume`. Balance last checked at 02:20:00, next checked at 02:35:00.',
          34,
        ),
        credits: { ...credits, remaining: 0, needed: 31_432, missing: 31_432 },
      },
      activity: until(34, 'no_credits', { out_of_credits: 5 }),
      timeline: [
        entry(34, 'paused', 'worker', 'Paused: no credits left (the API says "Insufficient credits").'),
        ...started,
      ],
    },
    outage: {
      report: paused(
        'outage',
        'Paused: the API has been failing since 01:58:20 (calls of 25 searches in a row failed, the last with: HTTP 503 Service Unavailable). 31,432 searches wait. Workers retry at growing intervals; to retry now, run `trackyard-batch resume`.',
        12,
      ),
      activity: until(12, 'outage', { transient: 31 }),
      timeline: [entry(12, 'paused', 'worker', 'Paused: the API has been failing (HTTP 503).'), ...started],
    },
    'revoked key': {
      report: paused(
        'unauthorized',
        'Paused: API key refused since 02:04:41 (401 Invalid API key). 31,432 searches wait. Set a working key, restart the worker, then run `trackyard-batch resume`.',
        8,
      ),
      activity: until(8, 'unauthorized', { unauthorized: 5 }),
      timeline: [entry(8, 'paused', 'worker', 'Paused: API key refused (401 Invalid API key).'), ...started],
    },
    'paused by hand': {
      report: paused(
        'operator',
        'Paused by hand since 02:06:11 (release of the new template). 31,432 searches wait. Run `trackyard-batch resume` to continue.',
        6,
      ),
      activity: until(6, 'operator'),
      timeline: [entry(6, 'paused', 'board', 'Paused by hand (release of the new template).'), ...started],
    },
    'credits will end': {
      report: {
        ...running,
        queue: {
          ...running.queue,
          reason: `${running.queue.reason} Credits last until about 03:10; 2,100 short.`,
        },
        credits: { ...running.credits, remaining: 29_332, missing: 2_100, last_until: iso(-98) },
        finish_at: null,
      },
      activity: activityOf(now, 600, steady),
      timeline: started,
    },
    idle: { report: idle, activity: activityOf(now, 600, () => ({ calls: {} })), timeline: [] },
    'done with dead letters': {
      report: {
        ...idle,
        queue: { ...idle.queue, dead_letters: 53 },
        batches: [
          aBatchStatus({
            state: 'done',
            tagged: 48_702,
            waiting: 0,
            no_match: 1_053,
            completed_at: iso(3),
            credits_spent: 48_900,
            credits_needed: 0,
            calls_last_minute: 0,
          }),
        ],
      },
      activity: activityOf(now, 600, (ago) => (ago < 3 ? { calls: {} } : steady(ago))),
      timeline: [
        entry(
          3,
          'completed',
          'worker',
          'Batch 1 (spring catalog) is done: 48,702 tagged, 1,053 without a match, 31 dead.',
        ),
        ...started,
      ],
    },
    'a million rows': {
      report: {
        ...running,
        queue: {
          ...running.queue,
          reason: 'Running: 2,951 calls in the last minute, limit 3,000; 803,127 searches due.',
          waiting: 803_127,
        },
        credits: { ...running.credits, remaining: 1_250_000, spent: 196_873, needed: 803_127 },
        calls_per_minute: { limit: 3000, last: 2951 },
        finish_at: iso(-268),
        batches: [
          aBatchStatus({
            name: 'the whole archive of a broadcaster, every programme since 1974 (final, corrected, 2nd attempt)',
            rows: 1_000_000,
            tagged: 182_044,
            no_match: 8_912,
            waiting: 803_127,
            dead: 3,
            invalid: 5_914,
            credits_spent: 196_873,
            credits_needed: 803_127,
            calls_last_minute: 2951,
            finish_at: iso(-268),
          }),
        ],
      },
      activity: activityOf(now, 600, (ago) => ({ calls: { answered: wave(ago, 2900) }, limit: 3000 }), 1_250_000),
      timeline: started,
    },
    'no worker': {
      report: {
        ...running,
        queue: {
          ...running.queue,
          state: 'no_workers',
          workers: 0,
          active: 0,
          reason: 'No worker is running; 31,432 searches due. Start one with `trackyard-batch up`.',
        },
        calls_per_minute: { limit: 300, last: 0 },
        finish_at: null,
        workers: [],
      },
      activity: { samples: activityOf(now, 600, steady).samples.slice(0, 590), stops: [] },
      timeline: [
        entry(9, 'worker_lost', 'worker', 'Worker 4711 on night-box was lost: no heartbeat for 15 seconds.'),
        ...started,
      ],
    },
    'Redis away': {
      report: {
        ...running,
        queue: {
          ...running.queue,
          state: 'no_workers',
          workers: 0,
          active: 0,
          reason: 'Redis does not answer. The state of the workers is unknown. 31,432 searches due.',
        },
        finish_at: null,
      },
      activity: activityOf(now, 600, steady),
      timeline: started,
    },
  }
}
