import { expect } from '@jest/globals'
import type { Store } from '../../src/store/store.js'
import { badRow, claim, close, DEATH, newBatch, PLENTY, refOf, row } from './setup.js'

export type Change = <T>(change: () => Promise<T>) => Promise<T>

/**
 * One of each kind of change.
 * @param change makes those that may be repeated. A batch that is created twice has no rows, and is dropped.
 * @param word makes the searches different from those of another run
 */
export async function oneOfEach(store: Store, change: Change = (change) => change(), word = ''): Promise<void> {
  const id = await store.batches.create(newBatch())
  const queries = ['a', 'b', 'c', 'd', 'e', 'f', 'g'].map((letter) => word + letter)
  const rows = [...queries, `${word}a`].map((query, index) => row(index + 1, query))
  await change(() => store.batches.addRows(id, rows.slice(0, 4), 1000))
  await change(() => store.batches.addRows(id, [...rows.slice(4), badRow(9)], 1100))
  await change(() => store.batches.heartbeat(id, 1200))
  await change(() => store.batches.release(id, { maxCredits: 5, first: null }, 2000))
  const due = await change(() => store.feed.due(1000, PLENTY))
  await change(() => store.feed.markQueued(due, 3000))
  for (const [index, query] of (['a', 'b', 'c', 'g'] as const).entries()) {
    const token = index + 1
    const call = await change(() => claim(store, word + query, { token }))
    if (call.kind !== 'granted') throw new Error(`expected a granted claim, found ${call.kind}`)
    await change(() => close(store, call.callId, (['answered', 'refused', 'timedOut'] as const)[index] ?? 'refused'))
  }
  await change(() => store.deadLetters.retryOne(refOf(`${word}b`)))
  await change(() => store.feed.requeue([refOf(`${word}d`)]))
  await change(() => store.deadLetters.recordCrashed(refOf(`${word}e`), DEATH, 12_000))
  await change(() => store.deadLetters.discard({ search: refOf(`${word}e`).fingerprint }))
  const late = await change(() => claim(store, `${word}f`, { token: 9 }))
  await change(() => store.calls.expire(11_000))
  if (late.kind === 'granted') await change(() => close(store, late.callId, 'rateLimited'))
  await change(() => store.pauses.liftRateLimit(12_000))
  await change(() => store.pauses.add({ cause: 'operator', since: 12_000, detail: 'by hand' }))
  await change(() => store.pauses.lift('operator', true, 13_000))
  await change(() => store.account.update({ creditsRemaining: 50 }, 13_000))
  await change(() => store.batches.takeMilestones({ now: 13_000, deadPercent: 5, willBeLate: [1] }))
  await change(() => store.batches.cancel(id, 14_000))
  const dropped = await store.batches.create(newBatch())
  await change(() => store.batches.addRows(dropped, [row(1, 'x')], 15_000))
  await change(() => store.batches.drop(dropped))
}

/** What commands and pages read. */
export async function readEverything(store: Store): Promise<void> {
  const now = 20_000
  const [report] = await store.reports.batches({ limit: 20 })
  const id = report?.batch.id ?? 0
  for await (const row of store.reports.exportRows(id)) expect(row.position).toBeGreaterThan(0)
  for (const what of ['row-1', '2', refOf('b').fingerprint]) expect(await store.reports.show(what, null)).not.toBeNull()
  await store.reports.totals(now)
  expect(await store.reports.unknownOutcomes(5)).not.toEqual([])
  expect((await store.reports.unknownSearches(5, 5)).searches).not.toEqual([])
  expect((await store.deadLetters.list({}, null, 5)).letters).not.toEqual([])
  await store.activity.sample(now, { limitPerMinute: 5, stopped: null }, 60_000)
  expect((await store.activity.read({ from: 0, to: now + 1, everyMinutes: 1, now })).samples).not.toEqual([])
  expect(await store.timeline.list(5)).not.toEqual([])
  expect(await store.batches.find(String(id))).not.toBeNull()
  await store.batches.plan(id)
  await store.batches.compare(id, id)
  await store.schedules.deadlinesAhead(now)
  await store.notifications.next(0)
  await store.pauses.list()
}
