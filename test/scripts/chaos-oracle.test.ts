import { describe, expect, test } from '@jest/globals'
import type { AuditedCall, AuditedSearch } from '../../scripts/chaos/audit.js'
import type { Evidence, ExportedBatch, ServerCall } from '../../scripts/chaos/evidence.js'
import { judge } from '../../scripts/chaos/oracle.js'
import type { Kill } from '../../scripts/chaos/workers.js'

/** An oracle that never objects proves nothing: here each promise is broken on paper, and it must say so. */
const QUERY = 'scene 1 calm music'
const MAX_AGE_MS = 6000

const paid = (over: Partial<ServerCall> = {}): ServerCall => ({
  number: 1,
  query: QUERY,
  receivedAt: 1010,
  answeredAt: 1100,
  charged: 1,
  status: 200,
  finished: 'answered',
  fault: null,
  worker: 1,
  ...over,
})

const answered = (over: Partial<AuditedCall> = {}): AuditedCall => ({
  id: 1,
  query: QUERY,
  round: 1,
  sentAt: 1000,
  finishedAt: 1110,
  outcome: 'answered',
  detail: null,
  ...over,
})

const search = (over: Partial<AuditedSearch> = {}): AuditedSearch => ({
  ref: { fingerprint: 'a'.repeat(32), generation: 1, round: 1 },
  query: QUERY,
  state: 'answered',
  hasAnswer: true,
  discarded: false,
  ...over,
})

const batch = (over: Partial<ExportedBatch> = {}): ExportedBatch => ({
  name: 'one',
  cancelled: false,
  expected: [{ id: 'r1', query: QUERY }],
  exported: [{ position: 1, id: 'r1', status: 'tagged' }],
  ...over,
})

/** One search, called once, paid once, answered, exported: a night without a fault. */
function evidence(
  over: Partial<Omit<Evidence, 'audit'>> & { calls?: readonly AuditedCall[]; searches?: readonly AuditedSearch[] } = {},
): Evidence {
  const { calls = [answered()], searches = [search()], ...rest } = over
  return {
    server: [paid()],
    audit: { damage: [], miscounts: [], calls, searches },
    batches: [batch()],
    unsettled: [],
    workerViolations: [],
    leftBehind: [],
    kills: [kill(1150)],
    freezes: [],
    pauses: [],
    requestTimeoutMs: 1000,
    concurrency: 2,
    callMaxAgeMs: MAX_AGE_MS,
    ...rest,
  }
}

/** The one worker of that night. */
const kill = (at: number, over: Partial<Kill> = {}): Kill => ({ worker: 1, startedAt: 0, from: at, to: at, ...over })

const SECOND = {
  server: { number: 2, receivedAt: 9010, answeredAt: 9100, worker: 2 },
  ledger: { id: 2, sentAt: 9000, finishedAt: 9110 },
}

describe('a night in which nothing was broken', () => {
  test('has no violation, and its figures', () => {
    expect(judge(evidence())).toEqual({
      violations: [],
      figures: {
        calls: 1,
        paid: 1,
        paidTwice: 0,
        paidTwiceUnexplained: 0,
        unknownOutcomes: 0,
        whilePaused: 0,
        rows: 1,
        rowsLost: 0,
        rowsWithTwoStatuses: 0,
        deadLetters: 0,
        integrity: 'ok',
      },
    })
  })
})

describe('paid twice', () => {
  const server = [paid(), paid(SECOND.server)]

  test('is a violation when the ledger shows two plain answers', () => {
    const decision = judge(evidence({ server, calls: [answered(), answered(SECOND.ledger)] }))
    expect(decision.figures).toMatchObject({ paidTwice: 1, paidTwiceUnexplained: 1 })
    expect(decision.violations).toEqual([expect.stringContaining('paid 2 times without an unknown outcome')])
  })

  test('is none when the first call is listed as of unknown outcome', () => {
    const calls = [answered({ outcome: 'unknown', finishedAt: null }), answered(SECOND.ledger)]
    const decision = judge(evidence({ server, calls }))
    expect(decision.figures).toMatchObject({ paidTwice: 1, paidTwiceUnexplained: 0, unknownOutcomes: 1 })
    expect(decision.violations).toEqual([])
  })

  test('is none when the answer that came after another is listed as of unknown outcome', () => {
    const detail = 'answered after another call had: this search was paid for twice'
    const calls = [answered({ outcome: 'unknown', detail, finishedAt: 9500 }), answered(SECOND.ledger)]
    expect(judge(evidence({ server, calls })).violations).toEqual([])
  })

  test('must not be said of a call that the server never answered', () => {
    const detail = 'answered after another call had: this search was paid for twice'
    const hung = paid({ charged: 0, status: null, finished: 'hung' })
    const calls = [answered({ outcome: 'unknown', detail, finishedAt: 9500 }), answered(SECOND.ledger)]
    expect(judge(evidence({ server: [hung, paid(SECOND.server)], calls })).violations).toEqual([
      expect.stringContaining('the server never answered it'),
    ])
  })

  test('is none when an unreadable answer was retried, and one when it was bought again in the same round', () => {
    const unreadable = answered({ outcome: 'unreadable' })
    expect(
      judge(evidence({ server, calls: [unreadable, answered({ ...SECOND.ledger, round: 2 })] })).violations,
    ).toEqual([])
    expect(judge(evidence({ server, calls: [unreadable, answered(SECOND.ledger)] })).figures.paidTwiceUnexplained).toBe(
      1,
    )
  })
})

describe('the ledger', () => {
  test('must know every call that reached the server', () => {
    expect(judge(evidence({ calls: [] })).violations).toEqual([expect.stringContaining('is missing in the ledger')])
    const second = [paid(), paid(SECOND.server)]
    expect(judge(evidence({ server: second })).violations).toEqual([
      expect.stringContaining('call 2 is missing in the ledger'),
    ])
  })

  test('must not call a paid call free', () => {
    const { violations } = judge(evidence({ calls: [answered({ outcome: 'transient' })] }))
    expect(violations).toEqual([expect.stringContaining('a paid call is in the ledger as transient')])
  })

  test('must not hold an answer that the server never charged', () => {
    const { violations } = judge(evidence({ server: [paid({ charged: 0, status: 500 })] }))
    expect(violations).toContainEqual(expect.stringContaining('an answer that the server did not charge'))
    expect(judge(evidence({ server: [] })).violations).toEqual([
      expect.stringContaining('an answer that the server did not charge'),
    ])
  })

  test('must not hold more calls without an end than kills and slots explain', () => {
    const orphans = [1, 2, 3].map((id) => answered({ id, query: `lost ${id}`, outcome: 'unknown', finishedAt: null }))
    expect(judge(evidence({ calls: [answered(), ...orphans.slice(1)] })).violations).toEqual([])
    expect(judge(evidence({ calls: [answered(), ...orphans] })).violations).toEqual([
      expect.stringContaining('3 calls have no recorded end'),
    ])
  })
})

describe('two calls of one search', () => {
  const lost = answered({ outcome: 'unknown', finishedAt: null })
  const found = (first: AuditedCall, sentAt: number, receivedAt = sentAt) =>
    judge(
      evidence({
        server: [paid(), paid({ ...SECOND.server, receivedAt })],
        calls: [first, answered({ ...SECOND.ledger, sentAt })],
      }),
    ).violations

  test('must not be open at once: the first must have ended, or be too old to be in flight', () => {
    expect(found(lost, 1000 + MAX_AGE_MS)).toEqual([])
    expect(found(lost, 4000)).toEqual([expect.stringContaining('call 2 began while another was open')])
    const timedOut = answered({ outcome: 'unknown', finishedAt: 2000 })
    expect(found(timedOut, 2100)).toEqual([])
    expect(found(timedOut, 1900)).toEqual([expect.stringContaining('call 2 began while another was open')])
  })

  test('may seem to be where a worker that was slow or frozen wrote down when it had looked at the clock', () => {
    expect(found(lost, 4000, 1000 + MAX_AGE_MS)).toEqual([])
  })
})

describe('a call of unknown outcome', () => {
  const lost = answered({ outcome: 'unknown', finishedAt: null })
  const dead = { searches: [search({ state: 'dead' })], batches: [] }
  const strange = (over: Parameters<typeof evidence>[0]) =>
    judge(evidence({ ...dead, calls: [lost], ...over })).violations

  /** What some worker did later, and wrote down. */
  const later = {
    server: paid({ ...SECOND.server, query: 'later', worker: 1 }),
    ledger: answered({ ...SECOND.ledger, query: 'later' }),
  }
  const forgotten = expect.stringContaining('no worker was killed during the call')

  test('is explained by the kill of its worker, however long that took to record it', () => {
    expect(strange({ kills: [kill(1150)] })).toEqual([])
    expect(strange({ kills: [kill(8000)] })).toEqual([])
    expect(strange({ kills: [kill(5000, { from: 1050 })] })).toEqual([])
    expect(strange({ kills: [kill(8000)], server: [] })).toEqual([])
    expect(strange({ kills: [kill(900)] })).toEqual([forgotten])
    expect(strange({ kills: [kill(1150, { worker: 2 })] })).toEqual([forgotten])
  })

  test('is not explained by a kill after its worker had recorded a later answer: it was forgotten', () => {
    const calls = [lost, later.ledger]
    const kills = [kill(9500)]
    expect(strange({ kills, calls, server: [paid(), later.server] })).toEqual([forgotten])
    expect(strange({ kills, calls, server: [later.server] })).toEqual([forgotten])
    const byAnother = { ...later.server, worker: 3 }
    expect(strange({ kills, calls, server: [paid(), byAnother] })).toEqual([])
    const open = answered({ ...SECOND.ledger, query: 'later', outcome: 'unknown', finishedAt: null })
    expect(strange({ kills, calls: [lost, open], server: [paid(), later.server] })).toEqual([])
  })

  test('that never reached the server is explained by no worker that started after it', () => {
    expect(strange({ kills: [kill(9000, { startedAt: 2000 })], server: [] })).toEqual([forgotten])
  })

  test('is explained by an answer that never arrived', () => {
    for (const finished of ['cut', 'hung', 'abandoned'] as const) {
      expect(strange({ kills: [kill(900)], server: [paid({ finished, status: null })] })).toEqual([])
    }
  })

  test('whose 200 was cut in the middle should have been kept as unreadable', () => {
    const server = [paid({ finished: 'cut' })]
    const calls = [answered({ outcome: 'unknown', finishedAt: 1500 })]
    expect(strange({ server, calls })).toEqual([expect.stringContaining('given up after 500 ms')])
    expect(strange({ server, calls: [answered({ outcome: 'unreadable' })] })).toEqual([])
    expect(strange({ server, kills: [kill(1150)] })).toEqual([])
  })

  test('that was given up must have waited for its answer', () => {
    const givenUp = (finishedAt: number) => strange({ calls: [answered({ outcome: 'unknown', finishedAt })] })
    expect(givenUp(2010)).toEqual([])
    expect(givenUp(1500)).toEqual([expect.stringContaining('given up after 500 ms')])
    const calls = [answered({ outcome: 'unknown', finishedAt: 1500 })]
    expect(strange({ calls, freezes: [{ from: 1200, to: 1490 }] })).toEqual([])
  })
})

test('a call that began while the queue was paused by hand is told', () => {
  const { violations, figures } = judge(evidence({ pauses: [{ from: 900, to: 1500 }] }))
  expect(figures.whilePaused).toBe(1)
  expect(violations).toEqual([expect.stringContaining('began while the queue was paused')])
  expect(judge(evidence({ pauses: [{ from: 1001, to: 1500 }] })).violations).toEqual([])
})

describe('rows', () => {
  test('that are not in the export are lost', () => {
    const decision = judge(evidence({ batches: [batch({ exported: [] })] }))
    expect(decision.figures.rowsLost).toBe(1)
    expect(decision.violations).toEqual([expect.stringContaining('lost')])
    expect(judge(evidence({ batches: [batch({ exported: null })] })).figures.rowsLost).toBe(1)
  })

  test('must stand where they stood in the input', () => {
    const exported = [{ position: 1, id: 'r2', status: 'tagged' as const }]
    expect(judge(evidence({ batches: [batch({ exported })] })).violations).toEqual([
      expect.stringContaining('with the id r2'),
    ])
  })

  test('that stand twice, or that nobody submitted, are told', () => {
    const line = { position: 1, id: 'r1', status: 'tagged' as const }
    expect(judge(evidence({ batches: [batch({ exported: [line, line] })] })).figures.rowsWithTwoStatuses).toBe(1)
    const { violations } = judge(evidence({ batches: [batch({ exported: [line, { ...line, position: 2 }] })] }))
    expect(violations).toEqual([expect.stringContaining('not submitted')])
  })

  test('that ask the same and say something else have two statuses', () => {
    const exported = [{ position: 1, id: 'r1', status: 'no_match' as const }]
    const decision = judge(evidence({ batches: [batch(), batch({ name: 'two', exported })] }))
    expect(decision.figures.rowsWithTwoStatuses).toBe(1)
    expect(decision.violations).toEqual([expect.stringContaining('no_match here and tagged elsewhere')])
  })

  test.each([
    ['tagged', 'dead'],
    ['dead', 'answered'],
    ['waiting', 'queued'],
    ['cancelled', 'waiting'],
  ] as const)('exported as %s while their search is %s are told', (status, state) => {
    const exported = [{ position: 1, id: 'r1', status }]
    const { violations } = judge(evidence({ batches: [batch({ exported })], searches: [search({ state })] }))
    expect(violations).toEqual([expect.stringContaining(status)])
  })

  test('of a cancelled batch may be cancelled; rows that cannot ask are invalid', () => {
    const cancelled = batch({ cancelled: true, exported: [{ position: 1, id: 'r1', status: 'cancelled' }] })
    expect(judge(evidence({ batches: [cancelled], searches: [search({ state: 'waiting' })] })).violations).toEqual([])
    const unaskable = { expected: [{ id: 'r1', query: null }] }
    expect(
      judge(evidence({ batches: [batch({ ...unaskable, exported: [{ position: 1, id: 'r1', status: 'invalid' }] })] }))
        .violations,
    ).toEqual([])
    expect(judge(evidence({ batches: [batch(unaskable)] })).violations).toEqual([expect.stringContaining('invalid')])
  })
})

test('damage, miscounts, unfinished work, misconduct and processes left behind are each told', () => {
  const broken = evidence({
    unsettled: ['3 calls are open'],
    workerViolations: ['worker 1 ended'],
    leftBehind: ['process 7'],
  })
  const { violations, figures } = judge({
    ...broken,
    audit: { ...broken.audit, damage: ['page 3 is lost'], miscounts: ['batch 1 dead: kept as 2, counted 1'] },
  })
  expect(figures.integrity).toBe('damaged')
  expect(violations).toHaveLength(5)
})
