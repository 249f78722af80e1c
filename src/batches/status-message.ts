import { type HoursInForce, hoursInWords } from '../domain/active-hours.js'
import { formatClockTime, formatNumber, pluralize, truncate } from '../domain/format.js'
import { isForCredits, type Pause, type PauseWatch, type WriteFailure } from '../domain/pause.js'
import type { QueueState } from '../domain/states.js'
import type { SettingMismatch } from '../queue/worker-registry.js'
import { releaseCommand } from '../store/batch-row.js'
import type { Totals } from '../store/reports.js'
import type { Batch, RefusedSearch } from '../store/store.js'
import { pauseMessage } from './pause-message.js'

export interface StatusFacts
  extends Pick<Totals, 'due' | 'callsLastMinute' | 'rateLimitStreak' | 'failureStreak' | 'refused'> {
  readonly pauses: readonly Pause[]
  /** As the workers keep them; null: calls may start at any time. */
  readonly activeHours: HoursInForce | null
  /** By `resume --now`; null: the active hours apply. */
  readonly hoursOverriddenUntil: number | null
  readonly watch: PauseWatch
  /** How long a pause for credits may end by itself, ms; 0: never. */
  readonly autoResumeMs: number
  readonly workers: number
  /** One entry per worker that cannot write to the store. */
  readonly writeFailures: readonly WriteFailure[]
  readonly rateLimitedUntil: number | null
  /** What the API said with the rate limit; null: nothing. */
  readonly rateLimitDetail: string | null
  /** The API's latest answer: no calls left today. */
  readonly outOfToday: boolean
  readonly probing: boolean
  readonly active: number
  readonly delayed: number
  /** When the first delayed search is due; null: none is delayed. */
  readonly nextAttemptAt: number | null
  /** Why Redis did not answer, so the state of the workers is unknown. Null: it answered, or need not run. */
  readonly redisProblem: string | null
  readonly limitPerMinute: number | null
  /** From the API's latest answer; null: not known. */
  readonly creditsRemaining: number | null
  readonly withheld: number
  /** The only batch with withheld rows; null: none, or several. */
  readonly withheldBatch: Pick<Batch, 'id' | 'maxCredits' | 'charged'> | null
  /** Workers with other settings than those in force. */
  readonly mismatches: readonly (SettingMismatch & { readonly host: string; readonly pid: number })[]
  readonly now: number
}

export interface StatusMessage {
  readonly state: QueueState
  readonly reason: string
  readonly until: number | null
}

/**
 * Explains the current state: cause, since when, what it costs, what to do. `status`, the progress bar and Bull Board
 * show it; notifications share the sentence about a pause (see src/domain/pause.ts).
 */
export function statusMessage(facts: StatusFacts): StatusMessage {
  const { state, reason, until } = explainState(facts)
  const sentences = [reason, refusedMessage(facts), mismatchMessage(facts)].filter((sentence) => sentence !== '')
  return { state, reason: sentences.join(' '), until }
}

function mismatchMessage({ mismatches }: StatusFacts): string {
  const [first, ...others] = mismatches
  if (first === undefined) return ''
  const more =
    others.length === 0 ? '' : ` (${others.length} more such ${others.length === 1 ? 'setting' : 'settings'})`
  return `In the worker with pid ${first.pid} on ${first.host}, ${first.setting} is ${first.here}, in others ${first.inForce}${more}: set the same value everywhere.`
}

function explainState(facts: StatusFacts): StatusMessage {
  const { writeFailures, workers, pauses, due, active, redisProblem } = facts
  if (redisProblem !== null) {
    const state = pauses.length > 0 ? 'paused' : 'unknown'
    return { state, reason: unknownReason(facts, redisProblem), until: null }
  }
  const explained = explainWork(facts)
  if (writeFailures.length === 0) return explained
  const failure = writeFailureMessage(facts)
  if (pauses.length === 0 && writeFailures.length >= workers && due + active > 0) {
    return { state: 'write_failure', reason: `No calls: ${failure} ${searches(due)} due.`, until: null }
  }
  return { ...explained, reason: `${explained.reason} ${failure}` }
}

/** What prevents an answer comes first, then what the store says. */
function unknownReason(facts: StatusFacts, redisProblem: string): string {
  const rest = facts.due > 0 ? `${searches(facts.due)} due.` : idleReason({ ...facts, workers: 1 })
  return `${redisProblem} The state of the workers is unknown. ${facts.pauses.length > 0 ? pausedReason(facts) : rest}`
}

/** A lost store matters most, then paid answers that are only in memory. */
function writeFailureMessage({ writeFailures, workers, now }: StatusFacts): string {
  const unsaved = writeFailures.filter((failure) => failure.kind === 'save')
  const lost = writeFailures.filter((failure) => failure.kind === 'lost')
  const shown = [lost, unsaved].find((some) => some.length > 0) ?? writeFailures
  const [first] = shown.toSorted((a, b) => a.since - b.since)
  if (first === undefined) return ''
  const isOne = shown.length === 1
  const all = workers > shown.length ? ` of ${formatNumber(workers)}` : ''
  const who = `${formatNumber(shown.length)}${all} ${isOne && all === '' ? 'worker' : 'workers'}`
  // A lost store brings its own next step.
  if (first.kind === 'lost') return `${who} lost the store at ${formatClockTime(first.since, now)}. ${first.cause}`
  const what = unsaved.length > 0 ? 'save paid answers' : 'write to the store'
  const where = isOne ? 'its memory: do not kill it' : 'their memory: do not kill them'
  const kept = unsaved.length > 0 ? ` Paid answers are kept in ${where}.` : ''
  const retries = isOne ? 'it retries by itself' : 'they retry by themselves'
  return `${who} ${isOne ? 'has' : 'have'} been unable to ${what} since ${formatClockTime(first.since, now)} (${first.cause.replace(/\.$/, '')}). Remove the cause; ${retries}.${kept}`
}

function explainWork(facts: StatusFacts): StatusMessage {
  const { pauses, due, active } = facts
  const hoursBegin = hoursBeginAt(facts)
  // Without a worker nothing starts by itself when the hours begin.
  if (pauses.length > 0 && (hoursBegin === null || facts.workers > 0))
    return { state: 'paused', reason: pausedReason(facts), until: hoursBegin }
  const work = due + active
  if (facts.workers === 0) {
    const undone = `No worker is running; ${searches(due)} due. Start one with \`trackyard-batch up\`.${alsoRateLimited(facts)}`
    return { state: 'no_workers', reason: work > 0 ? undone : idleReason(facts), until: null }
  }
  if (facts.rateLimitedUntil !== null && facts.rateLimitedUntil > facts.now && work > 0) {
    return {
      state: 'rate_limited',
      reason: `${facts.outOfToday ? 'Daily call limit used up' : 'Rate limited by the API'}: no calls until ${formatClockTime(facts.rateLimitedUntil, facts.now)}${quoted(facts.rateLimitDetail)}; ${searches(due)} due. ${afterRateLimit(facts)}`,
      until: facts.rateLimitedUntil,
    }
  }
  if (work > 0)
    return {
      state: 'running',
      reason: `${runningReason(facts)}${failingMessage(facts)}${noAnswerMessage(facts)}${hoursAhead(facts)}`,
      until: null,
    }
  return { state: 'idle', reason: idleReason(facts), until: null }
}

function quoted(said: string | null): string {
  return said === null ? '' : ` (the API says "${cut(said, LONGEST_WORDS)}")`
}

/** Names the search that has been refused for the longest time. */
function refusedMessage({ refused, creditsRemaining }: StatusFacts): string {
  const [first, ...others] = refused
  if (first === undefined) return ''
  const { status, words } = first.said
  const query = `"${cut(first.query, LONGEST_QUERY)}"`
  const said = `(HTTP ${status ?? 'error'}${words === '' ? '' : `: "${cut(words, LONGEST_WORDS)}"`})`
  const contrast = contrastOf(first.kind, creditsRemaining)
  const more = first.moreRefusals
  const end =
    more === null ? '' : ` and becomes a dead letter after ${more} more ${more === 1 ? 'refusal' : 'refusals'}`
  if (others.length === 0)
    return `The API keeps refusing 1 search ${said} ${contrast}: ${query}. It runs after the others${end}.`
  return `The API keeps refusing ${searches(refused.length)}. The first is ${query} ${said}, ${contrast}. It runs after the others${end}.`
}

/** Why the refusal cannot be true of the whole account. */
function contrastOf(kind: RefusedSearch['kind'], creditsRemaining: number | null): string {
  switch (kind) {
    case 'out_of_credits':
      return `although the account has ${creditsRemaining === null ? 'credits' : pluralize(creditsRemaining, 'credit')}`
    case 'rate_limited':
      return 'while it accepts others'
    case 'rate_limited_uncompared':
      return 'with no other search left to compare'
    default:
      return kind satisfies never
  }
}

const LONGEST_QUERY = 80
const LONGEST_WORDS = 200

/** On one line. */
function cut(text: string, longest: number): string {
  return truncate(text.replace(/\s+/g, ' ').trim(), longest)
}

const MANY_RATE_LIMITS = 20
const LONG_MS = 10 * 60_000

/** More 429 for longer than one wave of calls explains: calls may not succeed when the rate limit ends. */
export function isRateLimitedRepeatedly({ rateLimitStreak }: Pick<StatusFacts, 'rateLimitStreak'>): boolean {
  return (
    rateLimitStreak !== null &&
    rateLimitStreak.calls >= MANY_RATE_LIMITS &&
    rateLimitStreak.to - rateLimitStreak.from >= LONG_MS
  )
}

function afterRateLimit({ rateLimitStreak, now }: StatusFacts): string {
  if (rateLimitStreak === null || !isRateLimitedRepeatedly({ rateLimitStreak }))
    return 'Calls then resume by themselves.'
  return `Every call since ${formatClockTime(rateLimitStreak.from, now)} got HTTP 429 (free of charge). Check whether another program uses this key, or ask Trackyard.`
}

/** When calls start by themselves, where only the active hours stop them; else null. */
function hoursBeginAt({ pauses, activeHours, now }: StatusFacts): number | null {
  const isForHours = pauses.length > 0 && pauses.every(({ cause }) => cause === 'outside_hours')
  return isForHours && activeHours !== null && activeHours.closedUntil > now ? activeHours.closedUntil : null
}

/** What the active hours will do to calls that run now. */
function hoursAhead({ activeHours, hoursOverriddenUntil, now }: StatusFacts): string {
  if (activeHours === null) return ''
  const words = hoursInWords(activeHours)
  if (hoursOverriddenUntil !== null)
    return ` Active hours (${words}) overridden until ${formatClockTime(hoursOverriddenUntil, now)}.`
  return activeHours.closedFrom > now
    ? ` Active hours (${words}) end at ${formatClockTime(activeHours.closedFrom, now)}.`
    : ''
}

function pausedReason(facts: StatusFacts): string {
  const { activeHours, due, now } = facts
  const begin = hoursBeginAt(facts)
  if (begin === null || activeHours === null) return `${otherPauses(facts)}${alsoRateLimited(facts)}`
  return `Outside the active hours (${hoursInWords(activeHours)}): no calls until ${formatClockTime(begin, now)}; ${searchesWait(due)}. They start by themselves then; to call now, run \`trackyard-batch resume --now\`.${alsoRateLimited(facts)}`
}

function otherPauses(facts: StatusFacts): string {
  const { pauses, due, redisProblem } = facts
  const isUnpaid = pauses.some(({ cause }) => isForCredits(cause))
  const needed = isUnpaid ? ` and ${due === 1 ? 'needs' : 'need'} ${pluralize(due, 'credit')}` : ''
  const workers = redisProblem === null ? facts.workers : null
  return pauseMessage(pauses, { ...facts, workers }, `${searchesWait(due)}${needed}.`)
}

function alsoRateLimited(facts: StatusFacts): string {
  const { rateLimitedUntil, rateLimitDetail, outOfToday, now } = facts
  if (rateLimitedUntil === null || rateLimitedUntil <= now) return ''
  const limit = outOfToday ? 'the daily call limit is used up' : 'rate limited by the API'
  return ` Also ${limit} until ${formatClockTime(rateLimitedUntil, now)}${quoted(rateLimitDetail)}.`
}

/** A warning while credits are left. */
export function creditsEndMessage(creditsMissing: number, endAt: number, now: number): string {
  return `Credits last until about ${formatClockTime(endAt, now)}; ${formatNumber(creditsMissing)} short.`
}

function runningReason(facts: StatusFacts): string {
  if (facts.probing) return `Resuming with one call at a time until one succeeds; ${searches(facts.due)} due.`
  if (facts.active === 0 && facts.delayed > 0 && facts.delayed >= facts.due) {
    const { delayed, nextAttemptAt, now } = facts
    const next =
      nextAttemptAt === null ? '' : `, ${delayed === 1 ? '' : 'the first '}at ${formatClockTime(nextAttemptAt, now)}`
    return `${searchesWait(delayed)} for another attempt${next}.`
  }
  const limit = facts.limitPerMinute === null ? '' : `, limit ${formatNumber(facts.limitPerMinute)}`
  return `Running: ${pluralize(facts.callsLastMinute, 'call')} in the last minute${limit}; ${searches(facts.due)} due.`
}

const FEWEST_FAILURES = 3
/** The store counts no further. */
const MOST_COUNTED = 200

/** Calls that are refused by 429 are no progress. */
function noAnswerMessage({ rateLimitStreak, now }: StatusFacts): string {
  if (rateLimitStreak === null || rateLimitStreak.calls < FEWEST_FAILURES) return ''
  const { calls, from } = rateLimitStreak
  const count = calls >= MOST_COUNTED ? `${formatNumber(calls)} or more` : formatNumber(calls)
  return ` 0 answered since ${formatClockTime(from, now)}, ${count} refused with HTTP 429 (free of charge).`
}

/** One failure among many answers is not worth a line. */
function failingMessage({ failureStreak, callsLastMinute }: StatusFacts): string {
  if (failureStreak === null || failureStreak.calls < Math.min(FEWEST_FAILURES, callsLastMinute)) return ''
  const { calls, reason } = failureStreak
  const which = calls === 1 ? 'The last call' : `The last ${formatNumber(calls)} calls`
  return ` ${which} failed${reason === '' ? '' : ` ("${cut(reason, LONGEST_WORDS)}")`}: each search is retried.`
}

function idleReason(facts: StatusFacts): string {
  const noWorker = facts.workers === 0 ? ', and no worker is running' : ''
  if (facts.withheld > 0) {
    const [are, them] = facts.withheld === 1 ? ['is', 'it'] : ['are', 'them']
    return `Nothing is due${noWorker}; ${pluralize(facts.withheld, 'row')} ${are} withheld by a cap. Run \`${releaseCommand(facts.withheldBatch)}\` to continue with ${them}.`
  }
  return `Nothing is due${noWorker}.`
}

function searches(count: number): string {
  return pluralize(count, 'search')
}

function searchesWait(count: number): string {
  return `${searches(count)} ${count === 1 ? 'waits' : 'wait'}`
}
