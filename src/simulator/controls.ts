import type { Account } from './account.js'
import type { CallLog, CallsSummary, LoggedCall } from './call-log.js'
import type { FaultRule } from './fault-rule.js'
import type { Faults } from './faults.js'

/** What can be seen and changed while the simulator runs, from this process or over remote-control.ts. */
export interface SimulatorControls {
  /** Searches in order of arrival; the list grows and its calls finish while one looks. */
  calls(): readonly LoggedCall[]
  summary(): CallsSummary
  /** Credits that were taken by searches in the log. */
  paid(): number
  /** The searches that were paid for more than once. Empty is the promise. */
  paidTwice(): string[]
  credits(): number
  topUp(credits: number): void
  setCredits(credits: number): void
  /** Requests a minute; null lifts the limit. */
  setLimit(perMinute: number | null): void
  /** @returns the rule's id. @throws TypeError when the rule makes no sense, SyntaxError for a broken pattern. */
  fail(rule: FaultRule): string
  /** Ends one rule, or all. @returns whether there was one. */
  heal(id?: string): boolean
  /** Another program on the same key makes so many searches now. @returns how many the limits and credits let pass. */
  useElsewhere(requests: number): number
  revokeKey(): void
  restoreKey(): void
}

export function createControls(account: Account, faults: Faults, log: CallLog): SimulatorControls {
  return {
    calls: log.calls,
    summary: log.summary,
    paid: log.paid,
    paidTwice: log.paidTwice,
    credits: account.credits,
    topUp: (credits) => account.setCredits(account.credits() + credits),
    setCredits: account.setCredits,
    setLimit: account.setLimit,
    fail: faults.add,
    heal: faults.heal,
    useElsewhere: (requests) => account.useElsewhere(requests, performance.now()),
    revokeKey: account.revokeKey,
    restoreKey: account.restoreKey,
  }
}
