/**
 * Why no calls are made. The store has one row per cause and BullMQ's flag follows the rows, so that
 * lifting one cause never lifts another.
 */
export const PAUSE_CAUSES = [
  'operator',
  'no_credits',
  'reserve',
  'unauthorized',
  'failing',
  'outage',
  'outside_hours',
] as const
/**
 * - `operator`: a person paused the queue. Only a person resumes it.
 * - `no_credits`: the API answered 402. Ends when the balance is back, or by `resume`.
 * - `reserve`: the balance is down to TRACKYARD_CREDIT_RESERVE. Ends like `no_credits`.
 * - `unauthorized`: the API answered 401. Ends by `resume`, with a valid key.
 * - `failing`: the circuit breaker; 25 searches refused in a row. Ends by `resume`, after a person has looked.
 * - `outage`: the circuit breaker; the calls of 25 searches in a row failed (5xx, timeouts). Probed at
 *   growing intervals until it is over.
 * - `outside_hours`: it is outside TRACKYARD_ACTIVE_HOURS. Ends when they begin, or by `resume --now`.
 */
export type PauseCause = (typeof PAUSE_CAUSES)[number]

export interface Pause {
  readonly cause: PauseCause
  readonly since: number
  /** One sentence for people: what happened, with figures. */
  readonly detail: string
}

/**
 * When workers called GET /me for an empty account, and when they next call it, or next probe in an outage; null:
 * unknown.
 */
export interface PauseWatch {
  readonly askedAt: number | null
  readonly nextAt: number | null
}

/**
 * What people read about pauses. The status message, the plan, the notifications, Bull Board and `resume` take their
 * words from here.
 */
const TEXTS: Readonly<Record<PauseCause, PauseText>> = {
  operator: {
    words: 'by hand',
    summary: (since, detail) => `Paused by hand since ${since}${detail === '' ? '' : ` (${detail})`}.`,
    nextStep: () => 'Run `trackyard-batch resume` to continue.',
  },
  no_credits: {
    words: 'no credits',
    summary: (since, detail) => `Paused: no credits left since ${since} (the API says "${detail}").`,
    nextStep: (after) => topUpStep('Top up', after, ', or with `trackyard-batch resume`'),
  },
  reserve: {
    words: 'credit reserve',
    summary: (since, detail) => `Paused: at the credit reserve since ${since} (${detail}).`,
    // `resume` alone does not help against the reserve: the next search pauses again.
    nextStep: (after) => topUpStep('Top up, or lower TRACKYARD_CREDIT_RESERVE and restart the worker', after, ''),
  },
  unauthorized: {
    words: 'API key refused',
    summary: (since, detail) => `Paused: API key refused since ${since} (${detail}).`,
    nextStep: () => 'Set a working key, restart the worker, then run `trackyard-batch resume`.',
  },
  failing: {
    words: 'searches refused',
    summary: (since, detail) => `Paused: too many searches refused in a row since ${since} (${detail}).`,
    nextStep: () => 'See `trackyard-batch dead-letters`, then run `trackyard-batch resume`.',
  },
  outage: {
    words: 'API outage',
    summary: (since, detail) => `Paused: the API has been failing since ${since} (${detail}).`,
    nextStep: () => 'Workers retry at growing intervals; to retry now, run `trackyard-batch resume`.',
  },
  outside_hours: {
    words: 'outside the active hours',
    summary: (since, detail) => `Paused since ${since}: outside the active hours (${detail}).`,
    nextStep: () => 'Calls start by themselves when the hours begin; to call now, run `trackyard-batch resume --now`.',
  },
}

interface PauseText {
  /** In parentheses: "was paused: no credits". */
  readonly words: string
  /** One sentence: cause, since when, detail. */
  summary(since: string, detail: string): string
  /** One sentence or two: what ends it. */
  nextStep(after: AfterTopUp): string
}

/** What follows a top-up, by TRACKYARD_AUTO_RESUME_HOURS and as far as the writer of the message knows. */
export type AfterTopUp =
  | { readonly follows: 'unknown' }
  /** Until then, as text. */
  | { readonly follows: 'auto-resume'; readonly until: string }
  /** Auto-resume is off or over. */
  | { readonly follows: 'resume by hand'; readonly why: string }

/** @param orByHand what also ends the pause while auto-resume lasts */
function topUpStep(step: string, after: AfterTopUp, orByHand: string): string {
  switch (after.follows) {
    case 'unknown':
      return `${step}. \`trackyard-batch status\` tells whether calls then resume by themselves.`
    case 'auto-resume':
      return `${step}. Calls then resume by themselves if the balance suffices by ${after.until}${orByHand}.`
    case 'resume by hand':
      return `${step}, then run \`trackyard-batch resume\`: ${after.why}.`
    default:
      return after satisfies never
  }
}

/** @param since the moment as text, since each reader shows it differently */
export function pauseSummary(pause: Pause, since: string): string {
  return TEXTS[pause.cause].summary(since, pause.detail.replace(/\.$/, ''))
}

/** @param after matters only to the pauses that a top-up ends */
export function pauseNextStep(cause: PauseCause, after: AfterTopUp): string {
  return TEXTS[cause].nextStep(after)
}

/** A top-up ends these. */
export function isForCredits(cause: PauseCause): cause is 'no_credits' | 'reserve' {
  return cause === 'no_credits' || cause === 'reserve'
}

/** For the timeline, which has the moment beside it. */
export function pausedEntry({ cause, detail }: Pause): string {
  const said = detail.replace(/\.$/, '')
  return `Paused (${TEXTS[cause].words})${said === '' ? '' : `: ${said}`}.`
}

/** "by hand, no credits" */
export function causesInWords(causes: readonly PauseCause[]): string {
  return causes.map((cause) => TEXTS[cause].words).join(', ')
}

/**
 * What a resume did, in one sentence or two.
 * @param stillPaused the causes of the pauses that remain
 * @param more goes behind what has ended ("5 credits left"), and behind what remains ("see `status`")
 */
export function resumedSummary(
  lifted: readonly PauseCause[],
  stillPaused: readonly PauseCause[],
  more: { readonly ended?: string | null; readonly remaining?: string } = {},
): string {
  const ended = more.ended ? `; ${more.ended}` : ''
  const remaining = more.remaining ? `: ${more.remaining}` : ''
  const still = `Still paused (${causesInWords(stillPaused)})${remaining}.`
  if (lifted.length === 0) return stillPaused.length === 0 ? 'Nothing was paused.' : still
  if (stillPaused.length === 0) return `Resumed (was paused: ${causesInWords(lifted)})${ended}.`
  return `Pause ended (${causesInWords(lifted)})${ended}. ${still}`
}

/** Why a worker makes no calls. Sent with its heartbeat. */
export interface WriteFailure {
  /**
   * `save`: paid answers wait in memory. `claim`: the claim before a call cannot be written; no answer waits.
   * `lost`: the open files are no longer the store (deleted, replaced, moved, damaged).
   */
  readonly kind: 'save' | 'claim' | 'lost'
  /** Epoch milliseconds. */
  readonly since: number
  /** What happened. One sentence for `save` and `claim`; for `lost` it ends with what to do next. */
  readonly cause: string
}
