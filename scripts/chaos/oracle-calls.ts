import { isCharged } from '../../src/domain/outcome.js'
import type { AuditedCall } from './audit.js'
import type { Evidence, Match, ServerCall } from './evidence.js'
import { overlappingCalls } from './oracle-overlap.js'
import { callsWhilePaused, tooManyWithoutEnd, unexplainedUnknown } from './oracle-unknown.js'

/**
 * Checks what was paid. Every call in the simulator's log is matched with its row in the ledger. A call is recorded
 * before it is sent, and the calls of one search come one after another. So the match is the latest unmatched row that
 * was recorded before the call arrived.
 *
 * Promise 2: a search is paid for once, except for calls of unknown outcome, each of which is listed. So of all paid
 * calls of one search, only one may be `answered`. Each of the others must be in the ledger as `unknown` (also if its
 * answer came after that of another call), or as `unreadable`, which is bought again only after a retry.
 */

export interface CallFigures {
  readonly calls: number
  readonly paid: number
  readonly paidTwice: number
  readonly paidTwiceUnexplained: number
  readonly unknownOutcomes: number
  readonly whilePaused: number
}

export function judgeCalls(evidence: Evidence): { figures: CallFigures; violations: readonly string[] } {
  const { server, audit } = evidence
  const ledgerByQuery = grouped(audit.calls)
  const violations: string[] = []
  const all: Match[] = []
  let paidTwice = 0
  let paidTwiceUnexplained = 0
  const serverByQuery = grouped(server)
  for (const query of new Set([...serverByQuery.keys(), ...ledgerByQuery.keys()])) {
    const calls = serverByQuery.get(query) ?? []
    const ledger = ledgerByQuery.get(query) ?? []
    const { matches, unmatched } = matched(calls, ledger)
    all.push(...matches)
    for (const call of unmatched)
      violations.push(say(query, `call ${call.number} is missing in the ledger`, calls, ledger))
    for (const match of matches) {
      if (match.server.charged === 1 && !isCharged(match.ledger.outcome)) {
        violations.push(say(query, `a paid call is in the ledger as ${match.ledger.outcome}`, calls, ledger))
      }
    }
    const paid = matches.filter((match) => match.server.charged === 1)
    if (paid.length > 1) paidTwice += 1
    const plain = paid.filter((match) => !isExcused(match, ledger, evidence.callMaxAgeMs))
    if (plain.length > 1) {
      paidTwiceUnexplained += plain.length - 1
      violations.push(say(query, `paid ${plain.length} times without an unknown outcome`, calls, ledger))
    }
    for (const call of overlappingCalls(matches, ledger, evidence)) {
      violations.push(say(query, `call ${call.id} began while another was open`, calls, ledger))
    }
    const answers = ledger.filter(({ outcome }) => outcome === 'answered')
    for (const call of answers) {
      const seen = matches.find((match) => match.ledger === call)
      if (seen?.server.charged !== 1) {
        violations.push(say(query, `call ${call.id} is an answer that the server did not charge`, calls, ledger))
      }
    }
  }
  for (const call of audit.calls.filter(({ outcome }) => outcome === 'unknown')) {
    const seen = all.find((match) => match.ledger === call)?.server ?? null
    const problem = unexplainedUnknown(call, seen, all, evidence)
    if (problem === null) continue
    const { query } = call
    const what = `call ${call.id} is of unknown outcome without a cause: ${problem}`
    violations.push(say(query, what, serverByQuery.get(query) ?? [], ledgerByQuery.get(query) ?? []))
  }
  violations.push(...tooManyWithoutEnd(evidence))
  const whilePaused = callsWhilePaused(evidence)
  for (const call of whilePaused)
    violations.push(say(call.query, `call ${call.id} began while the queue was paused`, [], [call]))
  return {
    figures: {
      calls: server.length,
      paid: server.filter((call) => call.charged === 1).length,
      paidTwice,
      paidTwiceUnexplained,
      unknownOutcomes: audit.calls.filter((call) => call.outcome === 'unknown').length,
      whilePaused: whilePaused.length,
    },
    violations,
  }
}

function matched(server: readonly ServerCall[], ledger: readonly AuditedCall[]) {
  const free = [...ledger]
  const matches: Match[] = []
  const unmatched: ServerCall[] = []
  for (const call of server) {
    const at = free.findLastIndex((recorded) => recorded.sentAt <= call.receivedAt)
    const [recorded] = at < 0 ? [] : free.splice(at, 1)
    if (recorded === undefined) unmatched.push(call)
    else matches.push({ server: call, ledger: recorded })
  }
  return { matches, unmatched }
}

/** Whether promise 2 allows another paid call for the same search beside this one. */
function isExcused({ ledger: call }: Match, all: readonly AuditedCall[], callMaxAgeMs: number): boolean {
  switch (call.outcome) {
    case 'unknown':
      return true
    case 'unreadable':
      // A later call is allowed after a retry (a new round), or if this call was given up before its answer came.
      return all.every(
        (other) => other.sentAt <= call.sentAt || other.round > call.round || cameLate(call, callMaxAgeMs),
      )
    default:
      return false
  }
}

/** Whether the call had been given up as of unknown outcome before its answer came. */
function cameLate(call: AuditedCall, callMaxAgeMs: number): boolean {
  return call.finishedAt !== null && call.finishedAt - call.sentAt > callMaxAgeMs
}

function grouped<Call extends { readonly query: string }>(calls: readonly Call[]): Map<string, Call[]> {
  const groups = new Map<string, Call[]>()
  for (const call of calls) {
    const group = groups.get(call.query)
    if (group === undefined) groups.set(call.query, [call])
    else group.push(call)
  }
  return groups
}

function say(query: string, what: string, server: readonly ServerCall[], ledger: readonly AuditedCall[]): string {
  return [
    `"${query}": ${what}`,
    ...server.map(
      (call) =>
        `    server  call ${call.number} ${time(call.receivedAt)} → ${time(call.answeredAt)} ${call.finished}, status ${call.status ?? 'none'}, charged ${call.charged}${call.fault === null ? '' : `, ${call.fault}`}`,
    ),
    ...ledger.map(
      (call) =>
        `    ledger  call ${call.id} ${time(call.sentAt)} → ${time(call.finishedAt)} ${call.outcome}, round ${call.round}${call.detail === null ? '' : `, ${call.detail}`}`,
    ),
  ].join('\n')
}

function time(at: number | null): string {
  return at === null ? '…' : new Date(at).toISOString().slice(11, 23)
}
