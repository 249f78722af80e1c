import type { CallLog, CallsSummary, LoggedCall } from './call-log.js'
import type { FaultRule, Faults } from './faults.js'
import type { Account } from './simulated-account.js'

/** What can be read and changed while the simulator runs, from this process or through remote-control.ts. */
export interface SimulatorControls {
  /** Calls of POST /search in order of arrival. A live view: it grows, and its calls finish. */
  calls(): readonly LoggedCall[]
  summary(): CallsSummary
  /** Credits that calls in the log were charged. */
  paid(): number
  /** The searches that were paid for more than once. Must be empty. */
  paidTwice(): string[]
  credits(): number
  topUp(credits: number): void
  setCredits(credits: number): void
  /** Requests a minute; null lifts the limit. */
  setLimit(perMinute: number | null): void
  /** @returns the rule's id. @throws TypeError when the rule makes no sense, SyntaxError for a broken pattern. */
  fail(rule: FaultRule): string
  /** Removes one rule, or all. @returns whether there was one. */
  clearFault(id?: string): boolean
  /** Makes this many calls as another client of the key. @returns how many the limits and credits allowed. */
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
    clearFault: faults.clear,
    useElsewhere: (requests) => account.useElsewhere(requests, performance.now()),
    revokeKey: account.revokeKey,
    restoreKey: account.restoreKey,
  }
}

/** The controls that remote-control.ts offers. Braces show the fields of the JSON body. */
export interface Control {
  readonly takes: string
  readonly does: string
}

export const CONTROLS = {
  'GET /calls': { takes: '?offset=0&limit=9', does: 'the calls, and what each was charged' },
  'GET /summary': { takes: '', does: 'how many calls were made and paid, the searches paid twice, and the balance' },
  'POST /top-up': { takes: '{ credits }', does: 'adds credits' },
  'POST /credits': { takes: '{ credits }', does: 'sets the balance' },
  'POST /limit': { takes: '{ perMinute }', does: 'sets the calls a minute; null: no limit' },
  'POST /elsewhere': { takes: '{ requests }', does: 'makes calls as another client of the key' },
  'POST /fault': { takes: '{ match, does }', does: 'makes calls fail; returns the id of the fault' },
  'POST /clear-fault': { takes: '{ id }', does: 'removes that fault; without a body, all' },
  'POST /key': { takes: '{ revoked }', does: 'revokes the key (true) or restores it (false)' },
} as const satisfies Readonly<Record<string, Control>>

export type ControlName = keyof typeof CONTROLS

export function isControl(name: string): name is ControlName {
  return Object.hasOwn(CONTROLS, name)
}

/** One line each, in columns. */
export function controlLines(): string[] {
  return Object.entries<Control>(CONTROLS).map(
    ([name, { takes, does }]) => `${name.padEnd(19)}${takes.padEnd(19)}${does}`,
  )
}
