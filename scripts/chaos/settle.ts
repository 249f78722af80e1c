import { setTimeout as sleep } from 'node:timers/promises'
import { deadLetterIdOf } from '../../src/domain/search-id.js'
import { SHOWN_DEAD_LETTERS } from '../../src/maintenance/dead-letter-mover.js'
import type { Store } from '../../src/store/store.js'
import { PLENTY_OF_CREDITS } from './environment.js'
import { type RunContext, resume } from './execute.js'

/**
 * Ends all faults and starts all workers. Besides, it does only what an operator would do: `release --all` for capped
 * batches, and in `waitUntilSettled` a `resume`.
 */
export async function heal({ environment, workers, released, plan }: RunContext): Promise<void> {
  environment.simulator.clearFault()
  environment.simulator.setCredits(PLENTY_OF_CREDITS)
  workers.thawAll()
  workers.startAll()
  for (const { name, kind } of plan.batches) {
    const id = released.get(name)
    if (id !== undefined && (kind === 'capped' || kind === 'first look')) {
      await environment.commandHere(['release', String(id), '--all', '--yes'])
    }
  }
}

/** What is not finished yet, one phrase each. Empty: everything is done. */
export type Unsettled = readonly string[]

const LOOK_EVERY_MS = 1000
const RESUME_EVERY_LOOKS = 5

/** Waits until everything is done. @returns what is not when the time is up */
export async function waitUntilSettled(
  context: RunContext,
  store: Pick<Store, 'reports' | 'pauses' | 'deadLetters'>,
  options: {
    readonly withinMs: number
    readonly signal: AbortSignal
    readonly onLook: (unsettled: Unsettled) => void
  },
): Promise<Unsettled> {
  const deadline = performance.now() + options.withinMs
  for (let look = 0; ; look += 1) {
    const pauses = await store.pauses.list()
    if (pauses.length > 0 && look % RESUME_EVERY_LOOKS === 0) await resume(context)
    const inStore = [...(await unfinished(store)), ...pauses.map(({ cause }) => `the queue is paused: ${cause}`)]
    const unsettled = inStore.length > 0 ? inStore : await unsettledQueue(context, store)
    if (unsettled.length === 0 || performance.now() > deadline) return unsettled
    options.onLook(unsettled)
    await sleep(LOOK_EVERY_MS, undefined, { signal: options.signal })
  }
}

async function unfinished(store: Pick<Store, 'reports'>): Promise<Unsettled> {
  const batches = await store.reports.batches({ limit: 1000 })
  const open = (await store.reports.totals(Date.now())).callsByOutcome.sent
  return [
    ...batches
      .filter(({ batch }) => batch.state === 'released')
      .filter(({ waiting, withheld }) => waiting + withheld > 0)
      .map(({ batch, waiting, withheld }) => `${batch.name}: ${waiting} rows waiting, ${withheld} withheld`),
    ...(open > 0 ? [`${open} calls are open`] : []),
  ]
}

/** There must be no job left, and the dead letters in Redis must be those of the store. */
async function unsettledQueue({ redis }: RunContext, store: Pick<Store, 'deadLetters'>): Promise<Unsettled> {
  const found = await redis.withQueue(async (queue) => ({
    counts: await queue.searches.counts(),
    listed: Object.values(await queue.deadLetters.refs())
      .flat()
      .map(deadLetterIdOf),
  }))
  if (found === null) return ['Redis is not running']
  const dead = (await store.deadLetters.newest(SHOWN_DEAD_LETTERS)).map(deadLetterIdOf)
  const missing = dead.filter((id) => !found.listed.includes(id))
  const stale = found.listed.filter((id) => !dead.includes(id))
  return [
    ...Object.entries(found.counts)
      .filter(([, jobs]) => jobs > 0)
      .map(([state, jobs]) => `${jobs} search jobs are ${state}`),
    ...(missing.length > 0
      ? [`${missing.length} dead letters are not in the queue: ${missing.slice(0, 5).join(', ')}`]
      : []),
    ...(stale.length > 0
      ? [`${stale.length} dead letters are in the queue, but not dead in the store: ${stale.slice(0, 5).join(', ')}`]
      : []),
  ]
}
