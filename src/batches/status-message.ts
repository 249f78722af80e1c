import type { BalanceWatch, Pause } from '../domain/pause-cause.js'
import type { WriteFailure } from '../domain/write-failure.js'
import type { RefusedSearch } from '../store/store.js'

/**
 * The one sentence that says why it moves or does not. Shown by `status`, by the progress bar, in Bull
 * Board and in webhooks, so that all of them say the same.
 */
export interface StatusFacts {
  readonly pauses: readonly Pause[]
  readonly watch: BalanceWatch
  /** So long after an empty account was found its pause ends by itself; 0: never. */
  readonly autoResumeMs: number
  readonly workers: number
  /** Of those workers that cannot write to the store. */
  readonly troubles: readonly WriteFailure[]
  readonly rateLimitedUntil: number | null
  /** What the API said with it; null: nothing. */
  readonly heldBecause: string | null
  /** The API said last that the day has no call left. */
  readonly outOfToday: boolean
  readonly probing: boolean
  readonly due: number
  readonly active: number
  readonly delayed: number
  /** When the first of these is due; null: none. */
  readonly nextAttemptAt: number | null
  /** Why Redis cannot be asked: then nothing is known of workers. Null: it was asked, or need not run. */
  readonly silence: string | null
  readonly limitPerMinute: number | null
  readonly callsLastMinute: number
  /** The latest calls that were all answered 429, and between when; null: the latest was not. */
  readonly rateLimitedCalls: { readonly calls: number; readonly from: number; readonly to: number } | null
  /** The latest calls that all failed, and why the last did; null: it did not. */
  readonly failedCalls: { readonly calls: number; readonly reason: string } | null
  /** Searches that are refused again and again while others are not. */
  readonly refused: readonly RefusedSearch[]
  /** Credits left, as the API said last. */
  readonly creditsRemaining: number | null
  readonly withheld: number
  readonly now: number
}

export interface StatusMessage {
  readonly state: 'paused' | 'no workers' | 'held' | 'running' | 'idle'
  readonly reason: string
  readonly until: number | null
}

export function statusMessage(standing: StatusFacts): StatusMessage {
  const { state, reason, until } = explainDelivery(standing)
  const refused = refusedSentence(standing)
  return { state, reason: refused === '' ? reason : `${reason} ${refused}`, until }
}

function explainDelivery(standing: StatusFacts): StatusMessage {
  const { troubles, workers, pauses, due, active, silence } = standing
  const explained = explainWork(standing)
  if (silence !== null) return { state: explained.state, reason: unknownReason(standing, silence), until: null }
  if (troubles.length === 0) return explained
  const trouble = troubleSentence(standing)
  if (pauses.length === 0 && troubles.length >= workers && due + active > 0) {
    return { state: 'held', reason: `No calls: ${trouble} ${searches(due)} due.`, until: null }
  }
  return { ...explained, reason: `${explained.reason} ${trouble}` }
}

/** What the record says all the same comes after what is in the way. */
function unknownReason(standing: StatusFacts, silence: string): string {
  const rest = standing.due > 0 ? `${searches(standing.due)} due.` : idleReason({ ...standing, workers: 1 })
  return `${silence} What workers do at the moment is therefore unknown. ${standing.pauses.length > 0 ? pausedReason(standing) : rest}`
}

/** Paid answers that wait in memory are what somebody must know first. */
function troubleSentence({ troubles, workers, now }: StatusFacts): string {
  const saving = troubles.filter((trouble) => trouble.kind === 'save')
  const lost = troubles.filter((trouble) => trouble.kind === 'lost')
  const meant = [lost, saving].find((some) => some.length > 0) ?? troubles
  const [first] = meant.toSorted((a, b) => a.since - b.since)
  if (first === undefined) return ''
  const all = workers > meant.length ? ` of ${figure(workers)}` : ''
  const who = `${figure(meant.length)}${all} ${meant.length === 1 && all === '' ? 'worker' : 'workers'}`
  // A lost store brings its own next step.
  if (first.kind === 'lost') return `${who} lost the store at ${clockTime(first.since, now)}. ${first.cause}`
  const what = saving.length > 0 ? 'cannot save paid answers' : 'cannot write to the store'
  const kept = saving.length > 0 ? ' Nothing is lost while the worker lives: do not kill it.' : ''
  return `${who} ${what} since ${clockTime(first.since, now)} (${first.cause.replace(/\.$/, '')}). It is tried again all the time.${kept}`
}

function explainWork(standing: StatusFacts): StatusMessage {
  const { pauses, due, active } = standing
  if (pauses.length > 0) return { state: 'paused', reason: pausedReason(standing), until: null }
  const work = due + active
  if (standing.workers === 0) {
    const missed = `${searches(due)} due, but no worker runs: start one with \`trackyard-batch up\`.`
    return { state: 'no workers', reason: work > 0 ? missed : idleReason(standing), until: null }
  }
  if (standing.rateLimitedUntil !== null && standing.rateLimitedUntil > standing.now && work > 0) {
    return {
      state: 'held',
      reason: `${standing.outOfToday ? "The day's limit of calls is used up" : 'The API asked us to wait (rate limit)'}: no calls until ${clockTime(standing.rateLimitedUntil, standing.now)}${quoted(standing.heldBecause)}; ${searches(due)} due.${heldAgain(standing)}`,
      until: standing.rateLimitedUntil,
    }
  }
  if (work > 0)
    return { state: 'running', reason: `${runningReason(standing)}${failingSentence(standing)}`, until: null }
  return { state: 'idle', reason: idleReason(standing), until: null }
}

function quoted(said: string | null): string {
  return said === null ? '' : ` (the API says "${cut(said, LONGEST_WORDS)}")`
}

/** Names the search that is refused the longest. */
function refusedSentence({ refused, creditsRemaining }: StatusFacts): string {
  const [first, ...others] = refused
  if (first === undefined) return ''
  const { status, words } = first.said
  const query = `"${cut(first.query, LONGEST_QUERY)}"`
  const said = `(HTTP ${status ?? 'error'}${words === '' ? '' : `: "${cut(words, LONGEST_WORDS)}"`})`
  const although = whileWhat(first.kind, creditsRemaining)
  const more = first.moreRefusals
  const end = more === null ? '' : `becomes a dead letter after ${more} more ${more === 1 ? 'refusal' : 'refusals'}`
  if (others.length === 0)
    return `1 search is refused again and again ${said} ${although}: ${query}; it is tried behind the others${end === '' ? '' : ` and ${end}`}.`
  return `${searches(refused.length)} are refused again and again and are tried behind the others. The first is ${query} ${said}, ${although}${end === '' ? '' : `; it ${end}`}.`
}

function whileWhat(kind: RefusedSearch['kind'], creditsRemaining: number | null): string {
  switch (kind) {
    case 'out_of_credits':
      return `although the account has ${creditsLeft(creditsRemaining)}`
    case 'rate_limited':
      return 'while others are not'
    case 'rate_limited_last':
      return 'and no other is left to compare with'
    default:
      return kind satisfies never
  }
}

const LONGEST_QUERY = 80
const LONGEST_WORDS = 200

/** On one line, for a sentence. */
function cut(text: string, longest: number): string {
  const line = text.replace(/[\p{Cc}\s]+/gu, ' ').trim()
  return line.length <= longest ? line : `${[...line].slice(0, longest - 1).join('')}…`
}

function creditsLeft(count: number | null): string {
  return count === null ? 'credits' : credits(count)
}

const MANY_WAITS = 20
const LONG_MS = 10 * 60_000

/** Told to wait again and again, beyond what one wave of calls explains: the end of the hold is no sign that it goes on then. */
export function isRateLimitedRepeatedly({ rateLimitedCalls }: Pick<StatusFacts, 'rateLimitedCalls'>): boolean {
  return (
    rateLimitedCalls !== null &&
    rateLimitedCalls.calls >= MANY_WAITS &&
    rateLimitedCalls.to - rateLimitedCalls.from >= LONG_MS
  )
}

function heldAgain({ rateLimitedCalls, now }: StatusFacts): string {
  if (rateLimitedCalls === null || !isRateLimitedRepeatedly({ rateLimitedCalls })) return ''
  return ` Every call since ${clockTime(rateLimitedCalls.from, now)} was told to wait, for free: look for another program on this key, or ask Trackyard.`
}

function pausedReason({ pauses, watch, autoResumeMs, workers, due, now }: StatusFacts): string {
  const [first, ...others] = pauses
  if (first === undefined) return ''
  const also = others.length === 0 ? '' : ` Also paused: ${others.map((pause) => pause.cause).join(', ')}.`
  const needed =
    first.cause === 'no_credits' || first.cause === 'reserve'
      ? ` and ${due === 1 ? 'needs' : 'need'} ${credits(due)}`
      : ''
  // Where no worker runs, nobody asks.
  const known = workers === 0 ? { ...watch, nextAt: null } : watch
  return `${pauseMessage(first, now, { watch: known, autoResumeMs })} ${searchesWait(due)}${needed}.${also}`
}

type Healing = Pick<StatusFacts, 'watch' | 'autoResumeMs'>

/** What stands, since when, and what ends it. */
export function pauseMessage(pause: Pause, now: number, healing: Healing): string {
  const since = `since ${clockTime(pause.since, now)}`
  switch (pause.cause) {
    case 'operator':
      return `Paused by hand ${since}${pause.detail === '' ? '' : ` (${pause.detail})`}; \`trackyard-batch resume\` goes on.`
    case 'no_credits':
      return `No credits left ${since} (the API says "${pause.detail}"): top up${afterwards(pause, now, healing, 'when the balance is back')}`
    case 'reserve':
      return `The credit reserve is reached ${since} (${pause.detail.replace(/\.$/, '')}): top up, or lower TRACKYARD_CREDIT_RESERVE and restart the worker${afterwards(pause, now, healing, 'then')}`
    case 'unauthorized':
      return `The API key was refused ${since} (${pause.detail}): set a working key, restart the worker, then \`trackyard-batch resume\`.`
    case 'failing':
      return `Too many searches refused in a row ${since} (${pause.detail}): look at \`trackyard-batch dead-letters\`, then \`trackyard-batch resume\`.`
    case 'outage':
      return `The API has been failing ${since} (${pause.detail}); it is tried again by itself, or with \`trackyard-batch resume\`.`
    default:
      return pause.cause satisfies never
  }
}

/** An empty account is watched for some hours only, so that a monthly allowance is not spent while nobody looks. */
function afterwards(pause: Pause, now: number, { watch, autoResumeMs }: Healing, when: string): string {
  const watchedUntil = pause.since + autoResumeMs
  if (now < watchedUntil) {
    // Against the reserve nothing but more credits helps.
    const byHand = pause.cause === 'reserve' ? '' : ', or with `trackyard-batch resume`'
    return `; it goes on by itself ${when}, until ${clockTime(watchedUntil, now)}${byHand}.${asked(pause, now, watch)}`
  }
  const why =
    autoResumeMs === 0
      ? 'it never goes on by itself (TRACKYARD_AUTO_RESUME_HOURS is 0)'
      : `it does not go on by itself since ${clockTime(watchedUntil, now)} (TRACKYARD_AUTO_RESUME_HOURS)`
  return `, then \`trackyard-batch resume\`: ${why}.`
}

/** What was asked before this pause, and what should have been asked by now, say nothing. */
function asked({ since }: Pause, now: number, { askedAt, nextAt }: BalanceWatch): string {
  const last = askedAt === null || askedAt < since ? null : `was last asked for at ${clockTime(askedAt, now)}`
  const next = nextAt === null || nextAt < now ? null : `is asked for next at ${clockTime(nextAt, now)}`
  const parts = [last, next].filter((part) => part !== null)
  return parts.length === 0 ? '' : ` The balance ${parts.join(' and ')}.`
}

function runningReason(standing: StatusFacts): string {
  if (standing.probing) return `Trying one call at a time until one succeeds; ${searches(standing.due)} due.`
  if (standing.active === 0 && standing.delayed > 0 && standing.delayed >= standing.due) {
    const { delayed, nextAttemptAt, now } = standing
    const next =
      nextAttemptAt === null ? '' : `, ${delayed === 1 ? '' : 'the first '}at ${clockTime(nextAttemptAt, now)}`
    return `${searchesWait(delayed)} for another attempt${next}.`
  }
  const limit = standing.limitPerMinute === null ? '' : ` of ${figure(standing.limitPerMinute)} allowed`
  return `Running: ${standing.callsLastMinute === 1 ? '1 call' : `${figure(standing.callsLastMinute)} calls`} in the last minute${limit}; ${searches(standing.due)} due.`
}

const FEWEST_FAILURES = 3

/** One failure among many answers is no news. */
function failingSentence({ failedCalls, callsLastMinute }: StatusFacts): string {
  if (failedCalls === null || failedCalls.calls < Math.min(FEWEST_FAILURES, callsLastMinute)) return ''
  const { calls, reason } = failedCalls
  const which = calls === 1 ? 'The last call' : `The last ${figure(calls)} calls`
  return ` ${which} failed${reason === '' ? '' : ` ("${cut(reason, LONGEST_WORDS)}")`}: each search is tried again.`
}

function idleReason(standing: StatusFacts): string {
  const noWorker = standing.workers === 0 ? ', and no worker runs' : ''
  if (standing.withheld > 0) {
    return `Nothing is due${noWorker}; ${figure(standing.withheld)} rows are withheld by a cap: \`trackyard-batch release BATCH\` lets them go.`
  }
  return `Nothing is due${noWorker}.`
}

function searches(count: number): string {
  return count === 1 ? '1 search' : `${figure(count)} searches`
}

function searchesWait(count: number): string {
  return `${searches(count)} ${count === 1 ? 'waits' : 'wait'}`
}

function credits(count: number): string {
  return count === 1 ? '1 credit' : `${figure(count)} credits`
}

/** 12,345: the same everywhere, whatever the machine's language. */
function figure(count: number): string {
  return count.toLocaleString('en-US')
}

/** Local wall time to the second; with the date when it is not within twelve hours of it. */
function clockTime(at: number, now: number): string {
  const text = new Date(at).toLocaleString('sv-SE')
  return Math.abs(now - at) < 12 * 60 * 60 * 1000 ? text.slice(11) : text
}
