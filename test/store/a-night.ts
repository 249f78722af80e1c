import { status } from '../../src/batches/status.js'
import type { Store } from '../../src/store/store.js'
import { claim, close, granted, PLENTY, refOf, settle } from './setup.js'

const PER_TURN = 5

/** The reconciler asks for a thousand at a time. */
const UNKNOWN = Array.from({ length: 1000 }, (_, index) => refOf(`unknown ${index}`))

export function queries(name: string): string[] {
  return Array.from({ length: 8 * PER_TURN }, (_, index) => `${name} ${index}`)
}

/** What workers do all the time, and what status and overview ask. */
export async function play(store: Store, name: string, turn: number): Promise<void> {
  // Long after what the filler says of its calls.
  const now = 1e9 + turn * 1000
  const due = await store.feed.due(100, PLENTY)
  await store.feed.markQueued(due, now)
  const query = (index: number) => `${name} ${turn * PER_TURN + index}`
  await settle(store, query(0), 'answered')
  await settle(store, query(1), 'refused')
  await settle(store, query(2), 'failed')
  await close(store, await granted(store, query(3)), 'rateLimited')
  await claim(store, query(0))
  await store.pauses.liftRateLimit(now)
  await store.feed.queued()
  await store.feed.queuedRefs(now, 0, 100)
  await store.feed.unwantedRefs(0, 100)
  await store.feed.settledAmong([refOf(query(0)), refOf(query(4)), ...UNKNOWN])
  await store.feed.requeue([refOf(query(4)), ...UNKNOWN])
  await store.calls.expire(9000)
  await store.calls.streak()
  await store.calls.sentBetween(now - 60_000, now)
  await store.batches.takeMilestones({ now, deadPercent: 20, willBeLate: [] })
  await store.batches.dueAtMost()
  await store.deadLetters.get(await store.deadLetters.newest(100))
  await store.activity.sample(now, { limitPerMinute: 300, stopped: null }, 1e12)
  await store.activity.read({ from: 0, to: now + 1, everyMinutes: 5, now })
  const settings = { rateLimit: 'auto', autoResumeHours: 24, creditReserve: 0, activeHours: null } as const
  await status({ store, queue: null, now: () => now, settings }, { limit: 20 })
}
