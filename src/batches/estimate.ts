import { activeMsBetween, afterActiveMs, windowsAfter, type ZonedHours } from '../domain/active-hours.js'
import { spendableCredits } from '../domain/credits.js'
import type { Account, Plan } from '../store/store.js'

export interface Estimate {
  readonly creditsNeeded: number
  readonly creditsRemaining: number | null
  /** Credits missing after the reserve; 0 when they suffice, null when the balance is unknown. */
  readonly creditsMissing: number | null
  /** Monthly allowances (or top-ups of that size) needed beyond the balance; null when unknown or none. */
  readonly allowancesNeeded: number | null
  readonly callsPerMinute: number
  readonly callsPerDay: number | null
  /** Days that the daily limit spreads the calls over, today included; 1 when a day suffices. */
  readonly days: number
  /** Periods of active hours that the calls take, the present one included; null: calls may start at any time. */
  readonly periods: number | null
  readonly durationMs: number
  readonly finishAt: number
}

const MINUTE_MS = 60_000
const DAY_MS = 24 * 60 * MINUTE_MS

/**
 * What the plan costs in credits and time, shown before anything is spent. Pure.
 *
 * Assumes that every new search is answered at its first attempt, that nobody else uses the key, and
 * that the daily limit resets after 24 hours: the API does not publish when it resets.
 */
export function estimate(input: {
  readonly plan: Pick<Plan, 'creditsNeeded' | 'dueElsewhere'>
  readonly account: Account
  readonly callsPerMinute: number
  readonly creditReserve: number
  /** When calls may start; null: at any time. */
  readonly activeHours: ZonedHours | null
  /** The cap of this batch; null: none. */
  readonly cap: number | null
  /** No call before; null: not rate limited. */
  readonly rateLimitedUntil: number | null
  readonly now: number
}): Estimate {
  const { plan, account, callsPerMinute, now } = input
  const creditsNeeded = Math.min(plan.creditsNeeded, input.cap ?? Number.POSITIVE_INFINITY)
  const calls = creditsNeeded + plan.dueElsewhere
  const { creditsMissing } = creditsFor(calls, account, input.creditReserve)
  const allowance = account.monthlyAllowance
  const allowancesNeeded =
    creditsMissing === null || creditsMissing === 0 || allowance === null || allowance <= 0
      ? null
      : Math.ceil(creditsMissing / allowance)
  const within = { hours: input.activeHours, overriddenUntil: null }
  const from = calls === 0 ? now : Math.max(now, input.rateLimitedUntil ?? now)
  const { days, finishAt } = timeFor(calls, paceOf(callsPerMinute, account, from), within)
  return {
    creditsNeeded,
    creditsRemaining: account.creditsRemaining,
    creditsMissing,
    allowancesNeeded,
    callsPerMinute,
    callsPerDay: account.limitPerDay,
    days,
    periods: periodsUntil(finishAt, from, input.activeHours),
    durationMs: finishAt - now,
    finishAt,
  }
}

/** Null: no deadline, or nobody can tell. @param finishAt null: not known */
export function isInTime(deadline: number | null, finishAt: number | null): boolean | null {
  return deadline === null || finishAt === null ? null : finishAt <= deadline
}

export interface Forecast {
  /** When all due searches are done; null: nothing is due, no calls are made, or the credits end before. */
  readonly finishAt: number | null
  /** Credits missing after the reserve; 0 when they suffice, null when the balance is unknown. */
  readonly creditsMissing: number | null
  /** When the credits end at the current rate; null: they suffice, or no calls are made. */
  readonly creditsEndAt: number | null
}

/** The due searches at the allowed rate, within the daily limit, as far as the credits go. */
export function forecast(work: {
  /** Calls are made, from `from` on. */
  readonly moves: boolean
  readonly from: number
  readonly due: number
  /** When the last delayed search is due; null: none is delayed. */
  readonly lastDelayedUntil: number | null
  readonly perMinute: number | null
  readonly account: Account
  readonly creditReserve: number
  readonly within: ActiveTime
}): Forecast {
  const { moves, from, due, perMinute, account } = work
  const { payable, creditsMissing } = creditsFor(due, account, work.creditReserve)
  if (!moves || due === 0 || perMinute === null || perMinute <= 0)
    return { finishAt: null, creditsMissing, creditsEndAt: null }
  const endOf = (calls: number) => timeFor(calls, paceOf(perMinute, account, from), work.within).finishAt
  if (payable < due) return { finishAt: null, creditsMissing, creditsEndAt: endOf(payable) }
  return { finishAt: Math.max(endOf(due), work.lastDelayedUntil ?? 0), creditsMissing, creditsEndAt: null }
}

/** How many of these calls the credits above the reserve pay, and how many credits are missing; null: not known. */
function creditsFor(calls: number, { creditsRemaining }: Account, reserve: number) {
  if (creditsRemaining === null) return { payable: calls, creditsMissing: null }
  const payable = Math.min(calls, spendableCredits(creditsRemaining, reserve))
  return { payable, creditsMissing: calls - payable }
}

/** How fast calls can be made. */
interface Pace {
  readonly perMinute: number
  /** `UNLIMITED`: no daily limit. */
  readonly perDay: number
  /** How many the daily limit still allows within 24 hours of `from`. */
  readonly today: number
  readonly from: number
}

const UNLIMITED = Number.POSITIVE_INFINITY

function paceOf(perMinute: number, { limitPerDay, remainingToday }: Account, from: number): Pace {
  if (limitPerDay === null || limitPerDay <= 0) return { perMinute, perDay: UNLIMITED, today: UNLIMITED, from }
  return { perMinute, perDay: limitPerDay, today: Math.min(limitPerDay, remainingToday ?? limitPerDay), from }
}

/** When calls may start. */
export interface ActiveTime {
  /** Null: at any time. */
  readonly hours: ZonedHours | null
  /** At any time until then, by `resume --now`; null: only within the hours. */
  readonly overriddenUntil: number | null
}

function timeFor(calls: number, pace: Pace, within: ActiveTime): { readonly days: number; readonly finishAt: number } {
  const { from } = pace
  if (calls === 0) return { days: 1, finishAt: from }
  const finishAt = finishWithin(calls, pace, callTime(within))
  return { days: Math.max(1, Math.ceil((finishAt - from) / DAY_MS)), finishAt }
}

/** The time in which calls may start. */
interface CallTime {
  activeMs(start: number, end: number): number
  /** When `activeMs` have passed. */
  after(start: number, activeMs: number): number
}

function callTime({ hours, overriddenUntil }: ActiveTime): CallTime {
  if (hours === null) return { activeMs: (start, end) => end - start, after: (start, ms) => start + ms }
  /** How much of the time from there on `resume --now` frees. */
  const freeMs = (start: number, end: number) => Math.max(0, Math.min(end, overriddenUntil ?? start) - start)
  return {
    activeMs(start, end) {
      const free = freeMs(start, end)
      return free + activeMsBetween(hours.hours, hours.zone, start + free, end)
    },
    after(start, ms) {
      const free = freeMs(start, start + ms)
      return free >= ms ? start + ms : afterActiveMs(hours.hours, hours.zone, start + free, ms - free)
    },
  }
}

/** Beyond this many days the calls of a day are taken as constant. */
const MOST_DAYS = 1000

/** Day by day, since the rate, the daily limit and the active hours bound what a day can take. */
function finishWithin(calls: number, { perMinute, perDay, today, from }: Pace, time: CallTime): number {
  let left = calls
  for (let day = 0; day < MOST_DAYS; day += 1) {
    const start = from + day * DAY_MS
    const quota = day === 0 ? today : perDay
    const possible = Math.min(quota, (time.activeMs(start, start + DAY_MS) / MINUTE_MS) * perMinute)
    if (possible >= left) return time.after(start, (left / perMinute) * MINUTE_MS)
    left -= possible
  }
  return from + (MOST_DAYS * DAY_MS * calls) / Math.max(1, calls - left)
}

/** Longer plans are given in days only. */
const MOST_PERIODS = 1000

function periodsUntil(finishAt: number, from: number, active: ZonedHours | null): number | null {
  if (active === null) return null
  let periods = 0
  for (const window of windowsAfter(active.hours, active.zone, from)) {
    if (window.from >= finishAt || periods > MOST_PERIODS) break
    periods += 1
  }
  return periods > MOST_PERIODS ? null : periods
}
