import { type PauseParts, resume } from '../control/pauses.js'
import type { Pause } from '../domain/pause.js'
import type { Account } from '../store/store.js'

export interface AutoResumeRules {
  /** First interval; doubled after each check without success. */
  readonly checkMs: number
  readonly longestMs: number
  readonly autoResumeMs: number
  readonly creditReserve: number
}

export const LONGEST_INTERVAL_MS = 15 * 60 * 1000

export interface AutoResumeParts extends PauseParts {
  /** Calls GET /me and stores the account; null when the API gave no answer. */
  readonly refreshAccount: () => Promise<Account | null>
  readonly rules: AutoResumeRules
}

/**
 * Ends the pauses that end by themselves.
 * - No credits, or at the reserve: GET /me is free, so workers check the balance at growing intervals (a top-up may
 *   take an hour to show). A balance above the reserve lifts the pause, with a probe. After
 *   TRACKYARD_AUTO_RESUME_HOURS only `resume` lifts it, so that a monthly allowance is not spent unattended.
 * - An outage: a probe at the same intervals.
 * Other causes are never lifted here, and do not keep these from being lifted.
 *
 * One per process. Call the task every second or so; it keeps its own intervals. After successful calls the interval
 * starts again at its shortest. A pause that returns right after a probe does not.
 */
export function autoResumeTask(parts: AutoResumeParts): () => Promise<void> {
  let fruitless = 0
  let nextAt: number | null = null
  let askedAt: number | null = null

  return async () => {
    const now = parts.now()
    const ending = (await parts.store.pauses.list()).filter((row) => endsByItself(row, now, parts.rules))
    if (ending.length === 0) {
      nextAt = null
      if (!(await parts.store.pauses.probing())) fruitless = 0
      return
    }
    // At most one interval ahead, since the wall clock may have been set back.
    const planned = Math.min(nextAt ?? Number.POSITIVE_INFINITY, now + intervalMs(fruitless, parts.rules))
    if (planned !== nextAt) await parts.store.pauses.noteWatch({ askedAt, nextAt: planned })
    nextAt = planned
    if (now < nextAt) return
    fruitless += 1
    nextAt = null
    const concernsBalance = ending.some(({ cause }) => cause !== 'outage')
    if (concernsBalance) askedAt = now
    const account = concernsBalance ? await parts.refreshAccount() : null
    const over = ending.filter((row) => isOver(row, account, parts.rules)).map(({ cause }) => cause)
    if (over.length > 0) await resume(parts, over)
  }
}

export function intervalMs(fruitless: number, rules: Pick<AutoResumeRules, 'checkMs' | 'longestMs'>): number {
  return Math.min(Math.max(rules.longestMs, rules.checkMs), rules.checkMs * 2 ** Math.min(fruitless, 20))
}

function endsByItself(row: Pause, now: number, rules: AutoResumeRules): boolean {
  switch (row.cause) {
    case 'no_credits':
    case 'reserve':
      return now - row.since < rules.autoResumeMs
    case 'outage':
      return true
    case 'operator':
    case 'unauthorized':
    case 'failing':
    case 'outside_hours':
      return false
    default:
      return row.cause satisfies never
  }
}

function isOver(row: Pause, account: Account | null, rules: AutoResumeRules): boolean {
  if (row.cause === 'outage') return true
  return account !== null && account.creditsRemaining !== null && account.creditsRemaining > rules.creditReserve
}
