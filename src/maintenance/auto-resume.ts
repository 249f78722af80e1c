import { type ResumeParts, resume } from '../control/resume.js'
import type { Pause } from '../domain/pause-cause.js'
import type { Account } from '../store/store.js'

/**
 * The pauses that end by themselves. Out of credits (or at the reserve): GET /me is free, so the balance is
 * asked for at a growing interval (a top-up may take an hour to show), and a balance above the reserve
 * lifts the pause through one probe; after TRACKYARD_AUTO_RESUME_HOURS only by hand, so that a monthly
 * reset is not eaten unattended. An outage: tried again at the same intervals. An operator's pause and
 * a refused key are never touched; while one of them stands, a cause of ours may be lifted all the same.
 */
export interface AutoResumeRules {
  /** First interval, and the one that failures double. */
  readonly checkMs: number
  readonly longestMs: number
  readonly autoResumeMs: number
  readonly creditReserve: number
}

export const LONGEST_CHECK_MS = 15 * 60 * 1000

export interface AutoResumeParts extends ResumeParts {
  /** GET /me, folded into the store; null when the API could not say. */
  readonly refreshAccount: () => Promise<Account | null>
  readonly rules: AutoResumeRules
}

/**
 * One watch per process; call `tick` often (every second or so), it keeps its own intervals.
 * The interval starts anew with a pause that comes after calls went well, and goes on growing with one
 * that comes straight back after a probe.
 */
export function createAutoResume(parts: AutoResumeParts): { tick(): Promise<void> } {
  let fruitless = 0
  let nextAt: number | null = null
  let askedAt: number | null = null

  async function tick(): Promise<void> {
    const now = parts.now()
    const healing = (await parts.store.pauses.list()).filter((row) => heals(row, now, parts.rules))
    if (healing.length === 0) {
      nextAt = null
      if (!(await parts.store.pauses.probing())) fruitless = 0
      return
    }
    // Never further ahead than one interval: the wall clock may have been set back.
    const planned = Math.min(nextAt ?? Number.POSITIVE_INFINITY, now + intervalMs(fruitless, parts.rules))
    if (planned !== nextAt) await parts.store.pauses.noteWatch({ askedAt, nextAt: planned })
    nextAt = planned
    if (now < nextAt) return
    fruitless += 1
    nextAt = null
    askedAt = now
    const over: Pause['cause'][] = []
    const account = await parts.refreshAccount()
    for (const row of healing) if (isOver(row, account, parts.rules)) over.push(row.cause)
    if (over.length > 0) await resume(parts, over)
  }

  return { tick }
}

export function intervalMs(fruitless: number, rules: Pick<AutoResumeRules, 'checkMs' | 'longestMs'>): number {
  return Math.min(Math.max(rules.longestMs, rules.checkMs), rules.checkMs * 2 ** Math.min(fruitless, 20))
}

function heals(row: Pause, now: number, rules: AutoResumeRules): boolean {
  switch (row.cause) {
    case 'no_credits':
    case 'reserve':
      return now - row.since < rules.autoResumeMs
    case 'outage':
      return true
    case 'operator':
    case 'unauthorized':
    case 'failing':
      return false
    default:
      return row.cause satisfies never
  }
}

function isOver(row: Pause, account: Account | null, rules: AutoResumeRules): boolean {
  if (row.cause === 'outage') return true
  return account !== null && account.creditsRemaining !== null && account.creditsRemaining > rules.creditReserve
}
