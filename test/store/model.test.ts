import { expect, test } from '@jest/globals'
import fc from 'fast-check'
import { PRIORITIES, type Priority } from '../../src/domain/states.js'
import type { Connection } from '../../src/store/engine.js'
import type { Store } from '../../src/store/store.js'
import {
  badRow,
  claim,
  close,
  counts,
  DEATH,
  ENDINGS,
  type Ending,
  exported,
  newBatch,
  onPostgres,
  PLENTY,
  RULES,
  refOf,
  row,
  storeInTemp,
} from './setup.js'
import { capOf, counters, dueIds, readAll, statusesOf } from './slow-recount.js'

/**
 * Anything may happen in any order: workers, feeder, sweeps, people. After each step the record is held against a
 * recount that shares no code with it.
 */
const QUERIES = ['a', 'b', 'c', 'd', 'e', 'f', 'g']
const query = fc.constantFrom(...QUERIES)
const which = fc.nat({ max: 3 })
const cap = fc.option(fc.nat({ max: 4 }))

type Act =
  | { do: 'submit'; queries: string[]; cap: number | null; release: boolean; priority: Priority }
  | { do: 'release' | 'first'; which: number; cap: number | null }
  | { do: 'cancel' | 'drop'; which: number }
  | { do: 'feed'; limit: number }
  | { do: 'claim'; query: string; late: boolean }
  | { do: 'close'; which: number; ending: Ending }
  | { do: 'requeue' | 'retry' | 'discard' | 'crash'; query: string }
  | { do: 'putBackAll' | 'retryAll' | 'ageOut' | 'resume' | 'time' }

const act: fc.Arbitrary<Act> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('submit' as const),
      queries: fc.array(query, { minLength: 1, maxLength: 6 }),
      cap,
      release: fc.boolean(),
      priority: fc.constantFrom(...PRIORITIES),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom('release' as const, 'first' as const), which, cap }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom('cancel' as const, 'drop' as const), which }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('feed' as const), limit: fc.integer({ min: 1, max: 5 }) }) },
  { weight: 8, arbitrary: fc.record({ do: fc.constant('claim' as const), query, late: fc.boolean() }) },
  {
    weight: 7,
    arbitrary: fc.record({
      do: fc.constant('close' as const),
      which: fc.nat({ max: 5 }),
      ending: fc.constantFrom(...(Object.keys(ENDINGS) as Ending[])),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constantFrom('requeue' as const, 'retry' as const, 'discard' as const, 'crash' as const),
      query,
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constantFrom(
        'putBackAll' as const,
        'retryAll' as const,
        'ageOut' as const,
        'resume' as const,
        'time' as const,
      ),
    }),
  },
)

interface World {
  readonly store: Store
  readonly reader: Connection
  readonly batches: number[]
  readonly calls: number[]
  now: number
}

async function roundOf(world: World, text: string): Promise<number> {
  const { search } = await readAll(world.reader)
  return search.find((each) => each.fingerprint.toString('hex') === refOf(text).fingerprint)?.round ?? 1
}

async function perform(world: World, step: Act): Promise<void> {
  const { store, batches, calls } = world
  switch (step.do) {
    case 'submit': {
      const id = await store.batches.create(newBatch({ priority: step.priority }))
      batches.push(id)
      const rows = step.queries.map((text, index) => row(index + 1, text))
      await store.batches.addRows(id, [...rows, badRow(rows.length + 1)], world.now)
      if (step.release) await store.batches.release(id, { maxCredits: step.cap, first: null }, world.now)
      return
    }
    case 'release':
    case 'first': {
      const [maxCredits, first] = step.do === 'first' ? [3, step.cap] : [step.cap, null]
      await store.batches.release(batches[step.which] ?? 0, { maxCredits, first }, world.now)
      return
    }
    case 'cancel':
      await store.batches.cancel(batches[step.which] ?? 0, world.now)
      return
    case 'drop':
      await store.batches.drop(batches[step.which] ?? 0)
      return
    case 'feed':
      await store.feed.markQueued(await store.feed.due(step.limit, PLENTY), world.now)
      return
    case 'claim':
      await performClaim(world, step.query, step.late)
      return
    case 'close': {
      const call = calls.at(-1 - step.which)
      if (call !== undefined) await performClose(world, call, step.ending)
      return
    }
    case 'requeue':
      await store.feed.requeue([refOf(step.query, await roundOf(world, step.query))])
      return
    case 'retry':
      await store.deadLetters.retryOne(refOf(step.query, await roundOf(world, step.query)))
      return
    case 'discard':
      await store.deadLetters.discard({ search: refOf(step.query).fingerprint })
      return
    case 'crash':
      await store.deadLetters.recordCrashed(refOf(step.query, await roundOf(world, step.query)), DEATH, world.now)
      return
    case 'putBackAll':
      await store.feed.requeueAll()
      return
    case 'retryAll':
      await store.deadLetters.retry({})
      return
    case 'ageOut':
      await store.calls.expire(world.now)
      return
    case 'resume':
      for (const { cause } of await store.pauses.list()) await store.pauses.lift(cause, true, Date.now())
      return
    case 'time':
      world.now += RULES.openCallMaxAgeMs / 2
      return
    default:
      step satisfies never
  }
}

/** A claim is granted only for a search without an outcome or a call in flight, in its round, on somebody's budget, with no pause. */
async function performClaim(world: World, text: string, late: boolean): Promise<void> {
  const round = (await roundOf(world, text)) - (late ? 1 : 0)
  const before = await readAll(world.reader)
  const paused = (await world.store.pauses.list()).length > 0
  const answer = await claim(world.store, text, { round, now: world.now })
  const after = await readAll(world.reader)
  if (answer.kind !== 'granted') {
    expect(after.call).toHaveLength(before.call.length)
    return
  }
  world.calls.push(answer.callId)
  const call = after.call.find((each) => each.id === answer.callId)
  const search = before.search.find((each) => each.id === call?.search_id)
  const payer = after.batch.find((batch) => batch.id === call?.batch_id)
  const inFlight = before.call.filter(
    (each) =>
      each.search_id === search?.id && each.outcome === 'sent' && each.sent_at + RULES.openCallMaxAgeMs > world.now,
  )
  expect({ paused, late, inFlight, state: search?.state, payer: payer?.state }).toEqual({
    paused: false,
    late: false,
    inFlight: [],
    state: expect.stringMatching(/^(waiting|queued)$/),
    payer: 'released',
  })
  if (payer !== undefined) expect(payer.charged).toBeLessThanOrEqual(capOf(payer))
}

/** A refusal counts for its search while that lives as it was called, and while it has no outcome; a retry begins anew. */
async function performClose(world: World, callId: number, ending: Ending): Promise<void> {
  const refusals = async () => {
    const { call, search } = await readAll(world.reader)
    const closed = call.find(({ id }) => id === callId)
    return { closed, search: search.find(({ id }) => id === closed?.search_id) }
  }
  const before = await refusals()
  await close(world.store, callId, ending, { now: world.now })
  const { search: after } = await refusals()
  const counts =
    before.closed?.finished_at === null &&
    before.search?.round === before.closed.round &&
    /^(waiting|queued)$/.test(before.search.state)
  const isLimit = ending === 'rateLimited' || ending === 'limitedAlone'
  expect({ limits: after?.rate_limits, refusals: after?.refusals, from: after?.refused_from }).toEqual({
    limits: (before.search?.rate_limits ?? 0) + (counts && isLimit ? 1 : 0),
    refusals: (before.search?.refusals ?? 0) + (counts && ending === 'unpaidAlone' ? 1 : 0),
    from: before.search?.refused_from ?? (counts && (isLimit || ending === 'unpaidAlone') ? callId : null),
  })
}

async function checkAll(world: World): Promise<void> {
  const raw = await readAll(world.reader)
  const { stand, should } = counters(raw)
  expect(stand).toEqual(should)
  const due = dueIds(raw)
  expect((await world.store.reports.totals(world.now)).due).toBe(due.size)
  for (const { id } of raw.batch) {
    const statuses = statusesOf(raw, id)
    expect((await exported(world.store, id)).map((each) => each.status)).toEqual(statuses)
    const { items, ...tally } = await counts(world.store, id)
    expect(Object.values(tally).reduce((sum, count) => sum + count, 0)).toBe(items)
    const withheld = statuses.filter((status) => status === 'withheld').length
    expect(tally.withheld ?? 0).toBe(withheld)
  }
  for (const { rate_limits, refusals, refused_from } of raw.search)
    expect(refused_from === null).toBe(rate_limits + refusals === 0)
  await checkFeed(world, raw, due)
}

/** What waits and is fed is due; and as long as something waiting is due, something is fed. */
async function checkFeed(
  world: World,
  raw: Awaited<ReturnType<typeof readAll>>,
  due: ReadonlySet<number>,
): Promise<void> {
  const fed = (await world.store.feed.due(1000, PLENTY)).map(({ ref }) =>
    raw.search.find(
      (search) =>
        search.fingerprint.toString('hex') === ref.fingerprint &&
        search.generation === ref.generation &&
        search.round === ref.round,
    ),
  )
  expect(new Set(fed).size).toBe(fed.length)
  const waiting = fed.filter((search) => search?.state !== 'queued')
  expect(waiting.filter((search) => search === undefined || !due.has(search.id))).toEqual([])
  expect(waiting.length > 0).toBe(raw.search.some((search) => search.state === 'waiting' && due.has(search.id)))
}

test('whatever happens in whatever order, every row has one status, every counter is right, and no call is made twice', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(act, { minLength: 5, maxLength: 40, size: 'max' }), async (acts) => {
      const temp = await storeInTemp()
      const world: World = { store: temp.store, reader: temp.reader, batches: [], calls: [], now: 10_000 }
      try {
        for (const step of acts) {
          await perform(world, step)
          world.now += 1
          await checkAll(world)
        }
      } finally {
        await temp.end()
      }
    }),
    { numRuns: onPostgres ? 8 : 25 },
  )
}, 240_000)
