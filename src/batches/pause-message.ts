import { formatClockTime } from '../domain/format.js'
import {
  type AfterTopUp,
  isForCredits,
  type Pause,
  type PauseCause,
  type PauseWatch,
  pauseNextStep,
  pauseSummary,
} from '../domain/pause.js'

export const START_A_WORKER = 'No worker is running: start one with `trackyard-batch up`.'

export interface PauseFacts {
  readonly watch: PauseWatch
  /** How long a pause for credits may end by itself, ms; 0: never. */
  readonly autoResumeMs: number
  /** Null: not known. */
  readonly workers: number | null
  readonly now: number
}

/** The cause whose next step also ends those behind it comes first. */
const ORDER: readonly PauseCause[] = [
  'no_credits',
  'reserve',
  'unauthorized',
  'failing',
  'operator',
  'outage',
  'outside_hours',
]

const ENDED_BY_HAND: readonly PauseCause[] = ['operator', 'unauthorized', 'failing']

/**
 * Since when, why, and what ends it, for all pauses in force.
 * @param cost a sentence: what waits because of them
 */
export function pauseMessage(pauses: readonly Pause[], facts: PauseFacts, cost = ''): string {
  const [first, ...others] = pauses.toSorted((a, b) => ORDER.indexOf(a.cause) - ORDER.indexOf(b.cause))
  if (first === undefined) return ''
  return [
    summaryOf(first, facts),
    cost,
    facts.workers === 0 ? START_A_WORKER : '',
    nextStep(first, others, facts),
    ...others.map((pause) => `Also ${alsoPaused(pause, facts)}`),
  ]
    .filter((part) => part !== '')
    .join(' ')
}

/** A pause by hand ends with the next step of the first one; the hours begin whatever anybody does. */
function alsoPaused(pause: Pause, facts: PauseFacts): string {
  const summary = summaryOf(pause, facts).replace(/^Paused/, 'paused')
  return ['operator', 'outside_hours'].includes(pause.cause) ? summary : `${summary} ${nextStep(pause, [], facts)}`
}

function summaryOf(pause: Pause, { now }: PauseFacts): string {
  return pauseSummary(pause, formatClockTime(pause.since, now))
}

function nextStep(pause: Pause, others: readonly Pause[], facts: PauseFacts): string {
  const after = afterTopUp(pause, others, facts)
  const isChecked = isForCredits(pause.cause) && after.follows === 'auto-resume'
  return pauseNextStep(pause.cause, after) + (isChecked ? balanceChecks(pause, facts) : nextProbe(pause, facts))
}

/** When a worker does it next; null: not known, overdue, or no worker runs. */
function plannedAt({ watch: { nextAt }, workers, now }: PauseFacts): number | null {
  return nextAt === null || nextAt < now || (workers ?? 0) === 0 ? null : nextAt
}

function nextProbe({ cause }: Pause, facts: PauseFacts): string {
  const at = plannedAt(facts)
  return cause !== 'outage' || at === null ? '' : ` Next probe at ${formatClockTime(at, facts.now)}.`
}

/** Auto-resume ends after some hours, so that a monthly allowance is not spent unattended. */
function afterTopUp({ since }: Pause, others: readonly Pause[], { autoResumeMs, now }: PauseFacts): AfterTopUp {
  if (others.some(({ cause }) => ENDED_BY_HAND.includes(cause)))
    return { follows: 'resume by hand', why: 'only that ends the other pause' }
  if (autoResumeMs === 0)
    return { follows: 'resume by hand', why: 'auto-resume is off (TRACKYARD_AUTO_RESUME_HOURS is 0)' }
  const until = formatClockTime(since + autoResumeMs, now)
  if (now < since + autoResumeMs) return { follows: 'auto-resume', until }
  return { follows: 'resume by hand', why: `auto-resume ended at ${until} (TRACKYARD_AUTO_RESUME_HOURS)` }
}

/** Leaves out a check from before this pause. */
function balanceChecks({ since }: Pause, facts: PauseFacts): string {
  const { now } = facts
  const { askedAt } = facts.watch
  const nextAt = plannedAt(facts)
  const last = askedAt === null || askedAt < since ? null : `last checked at ${formatClockTime(askedAt, now)}`
  const next = nextAt === null ? null : `next checked at ${formatClockTime(nextAt, now)}`
  const parts = [last, next].filter((part) => part !== null)
  return parts.length === 0 ? '' : ` Balance ${parts.join(', ')}.`
}
