import type { Account, Plan } from '../store/store.js'

/**
 * What the plan costs in credits and time, shown before anything is spent. Pure.
 *
 * Assumes that every new search is answered at its first attempt, that nobody else uses the key, and
 * that the daily limit resets after 24 hours: the API does not publish when it resets.
 */
export interface Estimate {
  readonly creditsNeeded: number
  readonly creditsLeft: number | null
  /** Credits missing after the reserve; 0 when they suffice, null when the balance is unknown. */
  readonly creditsMissing: number | null
  /** Monthly allowances (or top-ups of that size) needed beyond the balance; null when unknown or none. */
  readonly creditResets: number | null
  readonly callsPerMinute: number
  readonly callsPerDay: number | null
  /** Days that the daily limit spreads the calls over, today included; 1 when a day suffices. */
  readonly days: number
  readonly durationMs: number
  readonly finishAt: number
}

const MINUTE_MS = 60_000
const DAY_MS = 24 * 60 * MINUTE_MS

export function estimate(input: {
  readonly plan: Pick<Plan, 'creditsNeeded' | 'dueElsewhere'>
  readonly account: Account
  readonly callsPerMinute: number
  readonly creditReserve: number
  /** The cap of this batch; null: none. */
  readonly cap: number | null
  readonly now: number
}): Estimate {
  const { plan, account, callsPerMinute, now } = input
  const creditsNeeded = Math.min(plan.creditsNeeded, input.cap ?? Number.POSITIVE_INFINITY)
  const calls = creditsNeeded + plan.dueElsewhere
  const usable = account.creditsRemaining === null ? null : Math.max(0, account.creditsRemaining - input.creditReserve)
  const creditsMissing = usable === null ? null : Math.max(0, calls - usable)
  const allowance = account.monthlyAllowance
  const creditResets =
    creditsMissing === null || creditsMissing === 0 || allowance === null || allowance <= 0
      ? null
      : Math.ceil(creditsMissing / allowance)
  const { days, durationMs } = timeFor(calls, callsPerMinute, account)
  return {
    creditsNeeded,
    creditsLeft: account.creditsRemaining,
    creditsMissing,
    creditResets,
    callsPerMinute,
    callsPerDay: account.limitPerDay,
    days,
    durationMs,
    finishAt: now + durationMs,
  }
}

export interface Forecast {
  /** When all due searches are done; null: nothing is due, no calls are made, or the credits end before. */
  readonly finishAt: number | null
  /** Credits missing after the reserve; 0 when they suffice or the balance is unknown. */
  readonly shortBy: number
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
  readonly lastAttemptAt: number | null
  readonly perMinute: number | null
  readonly account: Account
  readonly creditReserve: number
}): Forecast {
  const { moves, from, due, perMinute, account } = work
  const usable = account.creditsRemaining === null ? due : Math.max(0, account.creditsRemaining - work.creditReserve)
  const shortBy = Math.max(0, due - usable)
  if (!moves || due === 0 || perMinute === null || perMinute <= 0)
    return { finishAt: null, shortBy, creditsEndAt: null }
  const endOf = (calls: number) => from + timeFor(calls, perMinute, account).durationMs
  if (shortBy > 0) return { finishAt: null, shortBy, creditsEndAt: endOf(usable) }
  return { finishAt: Math.max(endOf(due), work.lastAttemptAt ?? 0), shortBy: 0, creditsEndAt: null }
}

function timeFor(calls: number, callsPerMinute: number, account: Account): { days: number; durationMs: number } {
  const undividedMs = (calls / callsPerMinute) * MINUTE_MS
  const perDay = account.limitPerDay
  if (perDay === null || perDay <= 0)
    return { days: Math.max(1, Math.ceil(undividedMs / DAY_MS)), durationMs: undividedMs }
  const today = Math.min(calls, account.remainingToday ?? perDay)
  const later = calls - today
  if (later === 0) return { days: Math.max(1, Math.ceil(undividedMs / DAY_MS)), durationMs: undividedMs }
  const fullDays = Math.ceil(later / perDay)
  const lastDay = later - (fullDays - 1) * perDay
  return {
    days: fullDays + 1,
    durationMs: Math.max(undividedMs, fullDays * DAY_MS + (lastDay / callsPerMinute) * MINUTE_MS),
  }
}
