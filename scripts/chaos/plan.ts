import type { FaultRule } from '../../src/simulator/faults.js'
import { type ChaosBatch, chaosBatches } from './batches.js'
import type { EngineName } from './database.js'
import { createRandom, type Random } from './random.js'

/**
 * What is done to the program, and when. It is drawn before the run begins: the same seed, length and store give the
 * same plan. But what the program does at these moments depends on the machine, so a run can be repeated in its
 * actions, not in its interleavings.
 */
export interface Plan {
  readonly seed: number
  readonly lastsMs: number
  readonly batches: readonly ChaosBatch[]
  /** In order of time. */
  readonly steps: readonly Step[]
}

export interface Step {
  /** Since the start. */
  readonly atMs: number
  readonly action: Action
}

/** `slot`: which worker; if none runs there, the next slot with a running one. */
export type Action =
  | { readonly do: 'kill worker'; readonly slot: number; readonly backAfterMs: number }
  | { readonly do: 'stop worker'; readonly slot: number; readonly backAfterMs: number }
  | { readonly do: 'freeze worker'; readonly slot: number; readonly forMs: number }
  | { readonly do: 'kill redis' }
  | { readonly do: 'restart redis' }
  | { readonly do: 'flush redis' }
  | { readonly do: 'restart postgres' }
  | { readonly do: 'kill postgres' }
  | { readonly do: 'terminate connections' }
  | { readonly do: 'freeze postgres'; readonly forMs: number }
  | { readonly do: 'remove jobs'; readonly count: number }
  | { readonly do: 'fault'; readonly rule: FaultRule; readonly forMs: number }
  | { readonly do: 'empty the account'; readonly left: number; readonly forMs: number }
  | { readonly do: 'pause'; readonly forMs: number }
  | { readonly do: 'resume' }
  | { readonly do: 'retry dead letters'; readonly by: 'command line' | 'board' }
  | { readonly do: 'submit'; readonly batch: string }
  | { readonly do: 'release'; readonly batch: string }
  | { readonly do: 'cancel'; readonly batch: string }

export const WORKERS = 4
/** Searches submitted per second of the run: a little less than the workers can call. */
const SEARCHES_PER_SECOND = 14
const GAP_MS = [400, 1500] as const

const WEIGHTS = {
  'kill worker': 40,
  'stop worker': 7,
  'freeze worker': 8,
  'kill redis': 4,
  'restart redis': 2,
  'flush redis': 4,
  'remove jobs': 3,
  fault: 14,
  'empty the account': 2,
  pause: 3,
  resume: 5,
  'retry dead letters': 8,
} as const satisfies Partial<Record<Action['do'], number>>

/** Additional actions if the store is in PostgreSQL. */
const POSTGRES_WEIGHTS = {
  'restart postgres': 3,
  'kill postgres': 3,
  'terminate connections': 4,
  'freeze postgres': 4,
} as const satisfies Partial<Record<Action['do'], number>>

export function planOf(seed: number, lastsMs: number, store: EngineName): Plan {
  const random = createRandom(seed)
  const seconds = lastsMs / 1000
  const batches = chaosBatches(random, Math.max(5, Math.round(seconds / 20)), Math.round(seconds * SEARCHES_PER_SECOND))
  const steps = [...faultSteps(random, lastsMs, store), ...batchSteps(batches, lastsMs)]
  return { seed, lastsMs, batches, steps: steps.sort((one, other) => one.atMs - other.atMs) }
}

function faultSteps(random: Random, lastsMs: number, store: EngineName): readonly Step[] {
  const steps: Step[] = []
  let atMs = 1500
  while (atMs < lastsMs) {
    steps.push({ atMs, action: randomAction(random, steps.length, store) })
    atMs += random.between(...GAP_MS)
  }
  return steps
}

function randomAction(random: Random, number: number, store: EngineName): Action {
  const slot = random.between(0, WORKERS - 1)
  const kind = store === 'sqlite' ? random.weighted(WEIGHTS) : random.weighted({ ...WEIGHTS, ...POSTGRES_WEIGHTS })
  switch (kind) {
    case 'kill worker':
    case 'stop worker':
      return { do: kind, slot, backAfterMs: random.between(0, 600) }
    case 'freeze worker':
      // Longer than the job lock. A quarter of them: longer than a call may be open before it is given up.
      return { do: kind, slot, forMs: random.chance(0.25) ? random.between(7000, 9000) : random.between(3300, 4800) }
    case 'kill redis':
    case 'restart redis':
    case 'flush redis':
    case 'resume':
    case 'restart postgres':
    case 'kill postgres':
    case 'terminate connections':
      return { do: kind }
    case 'freeze postgres':
      // A quarter of them: longer than a process waits for the lock of a frozen transaction.
      return { do: kind, forMs: random.chance(0.25) ? random.between(6000, 9000) : random.between(500, 3000) }
    case 'remove jobs':
      return { do: kind, count: random.between(1, 20) }
    case 'fault':
      return { do: kind, rule: randomFault(random, number), forMs: random.between(500, 3000) }
    case 'empty the account':
      return { do: kind, left: random.between(0, 10), forMs: random.between(500, 2000) }
    case 'pause':
      return { do: kind, forMs: random.between(500, 3000) }
    case 'retry dead letters':
      return { do: kind, by: random.pick(['command line', 'board']) }
    default:
      return kind satisfies never
  }
}

function randomFault(random: Random, number: number): FaultRule {
  const kind = random.weighted({
    'too many': 2,
    error: 3,
    overload: 1,
    cut: 2,
    'cut in the answer': 2,
    hang: 3,
    late: 3,
    spoilt: 2,
  })
  const id = `${kind}-${number}`
  const rate = random.between(5, 60) / 100
  switch (kind) {
    case 'too many':
      return { id, rate, does: { status: 429, headers: { 'retry-after': random.pick(['1', '0']) } } }
    case 'error':
      // A fifth of them: an outage, in which every call fails.
      return { id, rate: random.chance(0.2) ? 1 : rate, does: { status: 500 } }
    case 'overload':
      return { id, rate, does: { status: 503, headers: { 'retry-after': '1' } } }
    case 'late':
      return { id, rate, does: 'late', ms: random.between(300, 2500) }
    case 'cut':
    case 'cut in the answer':
    case 'hang':
      return { id, rate, does: kind }
    case 'spoilt':
      return { id, rate: rate / 4, does: random.pick(['html', 'empty', 'truncated', 'not the shape']) }
    default:
      return kind satisfies never
  }
}

/** Submits the batches one after another; releases or cancels some of them later. */
function batchSteps(batches: readonly ChaosBatch[], lastsMs: number): readonly Step[] {
  const share = lastsMs / (batches.length + 1)
  return batches.flatMap(({ name, kind }, index) => {
    const atMs = Math.round(index * share)
    const submitted: Step = { atMs, action: { do: 'submit', batch: name } }
    const later = Math.round(atMs + share)
    if (kind === 'to be cancelled') return [submitted, { atMs: later, action: { do: 'cancel', batch: name } }]
    if (kind === 'first look') return [submitted, { atMs: later, action: { do: 'release', batch: name } }]
    return [submitted]
  })
}

/** One line for people, also for comparing two plans. */
export function describeStep({ atMs, action }: Step): string {
  const { do: verb, ...facts } = action
  const said = Object.entries(facts).map(
    ([name, value]) => `${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`,
  )
  return `${(atMs / 1000).toFixed(1).padStart(6)} s  ${[verb, ...said].join(' ')}`
}
