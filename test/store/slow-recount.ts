import type { Connection } from '../../src/store/engine.js'

/**
 * What the counters and reports of a store must be, by the slowest and plainest way: read every table, count in
 * JavaScript. It shares no code with the store but its driver.
 */
interface Raw {
  batch: {
    id: number
    state: string
    priority: string
    max_credits: number | null
    first: number | null
    charged: number
    refused: number
    fed_to: number
    dropping: number
    completed_at: number | null
    pending: number
    items: number
    invalid: number
    tagged: number
    no_match: number
    dead: number
  }[]
  item: { batch_id: number; position: number; search_id: number | null; problem: string | null }[]
  search: {
    id: number
    fingerprint: Buffer
    generation: number
    state: string
    round: number
    tracks: number | null
    discarded: number
    rate_limits: number
    refusals: number
    refused_from: number | null
  }[]
  call: {
    id: number
    search_id: number
    batch_id: number
    round: number
    outcome: string
    sent_at: number
    finished_at: number | null
  }[]
  answer: { search_id: number }[]
  call_count: { outcome: string; calls: number }[]
  want: { batch_id: number; search_id: number; items: number }[]
}

export function readAll(reader: Connection): Promise<Raw> {
  return reader.read(async (tx) => ({
    batch: await tx.all('select * from batch order by id'),
    item: await tx.all('select * from item'),
    search: await tx.all('select * from search order by id'),
    call: await tx.all('select * from call order by id'),
    answer: await tx.all('select search_id from answer'),
    call_count: await tx.all('select * from call_count'),
    want: await tx.all('select * from want'),
  }))
}

const CHARGED = ['sent', 'unknown', 'answered', 'unreadable']
const OPEN = ['waiting', 'queued']

export function capOf(batch: Raw['batch'][number]): number {
  const first = batch.first === null ? Number.POSITIVE_INFINITY : Math.max(0, batch.first - batch.refused)
  return Math.min(batch.max_credits ?? Number.POSITIVE_INFINITY, first)
}

/** Ids of the searches that are due, by the rule as it is told in words. */
export function dueIds(raw: Raw): Set<number> {
  const searches = new Map(raw.search.map((search) => [search.id, search]))
  const wanted = (batchId: number) =>
    raw.want
      .filter((want) => want.batch_id === batchId)
      .map((want) => want.search_id)
      .sort((a, b) => a - b)
  const released = raw.batch.filter((batch) => batch.state === 'released')
  const stateOf = (id: number) => searches.get(id)?.state
  const inFlight = new Set(raw.call.filter((call) => call.outcome === 'sent').map((call) => call.search_id))
  const due = new Set<number>()
  for (const batch of ['high', 'normal', 'low'].flatMap((each) =>
    released.filter(({ priority }) => priority === each),
  )) {
    const left = capOf(batch) - batch.charged
    if (left <= 0) continue
    const mine = wanted(batch.id)
    const older = released.filter(({ id }) => id < batch.id)
    const free = new Set(
      older.filter((each) => capOf(each) === Number.POSITIVE_INFINITY).flatMap(({ id }) => wanted(id)),
    )
    const own = mine.filter((id) => !free.has(id))
    const promised = own.filter((id) => stateOf(id) === 'queued' && !inFlight.has(id)).length
    const waiting = own.filter((id) => stateOf(id) === 'waiting')
    const more = waiting.filter((id) => !due.has(id))
    const payable = Math.max(0, left - promised - (waiting.length - more.length))
    const last = payable === 0 ? 0 : more.length <= payable ? Number.POSITIVE_INFINITY : (more[payable - 1] ?? 0)
    for (const id of mine) {
      if (stateOf(id) === 'queued') due.add(id)
      if (stateOf(id) === 'waiting' && id <= last) due.add(id)
    }
  }
  return due
}

export function statusesOf(raw: Raw, batchId: number): string[] {
  const batch = raw.batch.find((each) => each.id === batchId)
  const due = dueIds(raw)
  return raw.item
    .filter((item) => item.batch_id === batchId)
    .sort((a, b) => a.position - b.position)
    .map((item) => {
      const search = raw.search.find((each) => each.id === item.search_id)
      if (search === undefined) return 'invalid'
      if (search.state === 'answered') return (search.tracks ?? 0) > 0 ? 'tagged' : 'no_match'
      if (search.state === 'dead') return 'dead'
      if (batch?.state === 'cancelled') return 'cancelled'
      if (batch?.state === 'loading' || search.state === 'queued') return 'waiting'
      return due.has(search.id) ? 'waiting' : 'withheld'
    })
}

/** What stands in the counters, and what should. */
export function counters(raw: Raw): { stand: unknown; should: unknown } {
  const of = (statuses: readonly string[], status: string): number => statuses.filter((each) => each === status).length
  const should = raw.batch.map((batch) => {
    const statuses = statusesOf(raw, batch.id)
    const pending = raw.want.filter(
      (want) =>
        want.batch_id === batch.id &&
        OPEN.includes(raw.search.find((search) => search.id === want.search_id)?.state ?? ''),
    ).length
    return {
      id: batch.id,
      items: statuses.length,
      invalid: of(statuses, 'invalid'),
      tagged: of(statuses, 'tagged'),
      no_match: of(statuses, 'no_match'),
      dead: of(statuses, 'dead'),
      pending,
      charged: raw.call.filter((call) => call.batch_id === batch.id && CHARGED.includes(call.outcome)).length,
      complete: batch.state === 'cancelled' || (batch.state === 'released' && pending === 0),
      fedTooFar: false,
    }
  })
  const stand = raw.batch.map((batch) => ({
    id: batch.id,
    items: batch.items,
    invalid: batch.invalid,
    tagged: batch.tagged,
    no_match: batch.no_match,
    dead: batch.dead,
    pending: batch.pending,
    charged: batch.charged,
    complete: batch.completed_at !== null,
    fedTooFar: raw.want.some(
      (want) =>
        want.batch_id === batch.id &&
        want.search_id < batch.fed_to &&
        raw.search.find((search) => search.id === want.search_id)?.state === 'waiting',
    ),
  }))
  const calls = (outcome: string): number => raw.call.filter((call) => call.outcome === outcome).length
  return {
    stand: { batches: stand, calls: raw.call_count, answers: raw.answer.map((answer) => answer.search_id).sort() },
    should: {
      batches: should,
      calls: raw.call_count.map(({ outcome }) => ({ outcome, calls: calls(outcome) })),
      answers: raw.search
        .filter((search) => search.state === 'answered')
        .map((search) => search.id)
        .sort(),
    },
  }
}
