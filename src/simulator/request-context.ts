import type { Account } from './account.js'
import type { CallLog, OpenCall } from './call-log.js'
import { chance } from './chance.js'
import { deliver, type Timers, type Way } from './delivery.js'
import type { Faults } from './faults.js'
import type { SimulatorOptions } from './options.js'
import type { Reply } from './reply.js'
import type { ReceivedSearch } from './search-request.js'
import type { TrackLibrary } from './track-library.js'

/** One request on its way through the API, and what all of them share. */
export interface RequestContext {
  readonly parts: ApiParts
  readonly endpoint: Endpoint
  readonly authorization: string | undefined
  /** Null: the key opens nothing. */
  readonly keyId: string | null
  readonly requestId: string
  readonly receivedAt: number
  readonly way: Way
  /** The part of the URL after `?`. */
  readonly urlQuery: string
  /** Null for /me and /usage, which are not logged. */
  readonly searched: { readonly search: ReceivedSearch; readonly call: OpenCall } | null
}

export type Endpoint = 'search' | 'me' | 'usage'

export interface ApiParts {
  readonly options: SimulatorOptions
  readonly account: Account
  readonly faults: Faults
  readonly library: TrackLibrary
  readonly log: CallLog
  readonly timers: Timers
}

/** Sends the reply after the latency, with the headers every response carries (the reply's own win). */
export function send(
  visit: RequestContext,
  reply: Reply,
  by: (way: Way, reply: Reply) => void = deliver,
  extraMs = 0,
): void {
  const { options, account } = visit.parts
  const full = options.headers
    ? { ...reply, headers: { ...account.headers(performance.now()), ...reply.headers } }
    : reply
  afterLatency(visit, extraMs, () => {
    remember(visit, full.status)
    by(visit.way, full)
  })
}

export function afterLatency(visit: RequestContext, extraMs: number, run: () => void): void {
  const waitMs = latencyMs(visit) + extraMs
  if (waitMs <= 0) run()
  else visit.parts.timers.after(waitMs, run)
}

/** Puts the request into the account's own history, which GET /usage shows. A stranger's is not in it. */
export function remember(visit: RequestContext, status: number): void {
  if (visit.keyId === null) return
  visit.parts.account.used({
    at: visit.receivedAt,
    endpoint: `/${visit.endpoint}`,
    status,
    credits: visit.searched?.call.charged() ?? 0,
    durationMs: Date.now() - visit.receivedAt,
  })
}

/** Takes the credit of a search. False when there is none left. */
export function takeCredit({ parts, searched }: RequestContext): boolean {
  if (searched === null || !parts.account.charge()) return false
  searched.call.charge()
  return true
}

function latencyMs({ parts, searched, requestId }: RequestContext): number {
  const { latencyMs: latency, seed } = parts.options
  if (typeof latency === 'number') return latency
  const [min, max] = latency
  return min + chance(seed, 'latency', searched?.search.canonical ?? requestId) * (max - min)
}
