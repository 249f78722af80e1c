import { expect, test } from '@jest/globals'
import fc from 'fast-check'
import { PRIORITIES, type Priority } from '../../src/domain/states.js'
import type { DueSearch, Store } from '../../src/store/store.js'
import { claim, close, onPostgres, PLENTY, released, statuses, storeInTemp } from './setup.js'

const QUERIES = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h']
const cap = fc.option(fc.integer({ min: 1, max: 4 }))

interface Wanted {
  readonly queries: readonly string[]
  readonly priority: Priority
  readonly cap: number | null
}

const wanted = (caps: fc.Arbitrary<number | null>, priorities: fc.Arbitrary<Priority>): fc.Arbitrary<Wanted> =>
  fc.record({ queries: fc.uniqueArray(fc.constantFrom(...QUERIES), { minLength: 1 }), priority: priorities, cap: caps })

const ofOnePriority = fc.array(wanted(cap, fc.constant('normal')), { minLength: 1, maxLength: 4 })
const withOneCap = fc
  .tuple(
    fc.array(wanted(fc.constant(null), fc.constantFrom(...PRIORITIES)), { maxLength: 2 }),
    wanted(fc.integer({ min: 1, max: 4 }), fc.constantFrom(...PRIORITIES)),
    fc.array(wanted(fc.constant(null), fc.constantFrom(...PRIORITIES)), { maxLength: 2 }),
  )
  .map(([older, capped, younger]) => [...older, capped, ...younger])

/** Makes every call in the order of BullMQ, each answered, with at most `ahead` more added before the next. */
async function runAll(store: Store, ahead: number): Promise<void> {
  const queue: DueSearch[] = []
  for (;;) {
    const due = await store.feed.due(ahead, PLENTY)
    await store.feed.markQueued(due, 3000)
    queue.push(...due)
    const [next] = PRIORITIES.flatMap((priority) => queue.filter((job) => job.priority === priority))
    if (next === undefined) return
    queue.splice(queue.indexOf(next), 1)
    const answer = await claim(store, next.request.query, { round: next.ref.round })
    if (answer.kind !== 'granted') throw new Error(`expected a call for "${next.request.query}", found ${answer.kind}`)
    await close(store, answer.callId, 'answered')
  }
}

test('a row that is not withheld is answered, whichever batches share its search', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.oneof(ofOnePriority, withOneCap),
      fc.integer({ min: 1, max: 8 }),
      async (batches: readonly Wanted[], ahead) => {
        const temp = await storeInTemp()
        try {
          const ids: number[] = []
          for (const { queries, priority, cap } of batches)
            ids.push(await released(temp.store, queries, cap === null ? {} : { maxCredits: cap }, { priority }))
          const before = await Promise.all(ids.map((id) => statuses(temp.store, id)))
          await runAll(temp.store, ahead)
          const after = await Promise.all(ids.map((id) => statuses(temp.store, id)))
          const promised = (rows: readonly string[][]) => rows.flat().filter((_, at) => before.flat()[at] === 'waiting')
          expect(promised(after)).toEqual(promised(before).map(() => 'tagged'))
        } finally {
          await temp.end()
        }
      },
    ),
    { numRuns: onPostgres ? 30 : 100 },
  )
}, 240_000)
