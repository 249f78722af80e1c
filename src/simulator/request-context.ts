import type { CallLog, OpenCall } from './call-log.js'
import { type Delivery, deliver, type Timers } from './delivery.js'
import type { Faults } from './faults.js'
import type { SimulatorOptions } from './options.js'
import { repeatableRandom } from './repeatable-random.js'
import type { Reply } from './reply.js'
import type { ReceivedSearch } from './search-request.js'
import type { Account } from './simulated-account.js'
import type { TrackLibrary } from './track-library.js'

/** One request, and what all requests share. */
export interface RequestContext {
  readonly parts: ApiParts
  readonly endpoint: Endpoint
  readonly authorization: string | undefined
  /** Null: the key is unknown. */
  readonly keyId: string | null
  readonly requestId: string
  readonly receivedAt: number
  readonly delivery: Delivery
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
  context: RequestContext,
  reply: Reply,
  by: (delivery: Delivery, reply: Reply) => void = deliver,
  extraMs = 0,
): void {
  const { options, account } = context.parts
  const full = options.headers
    ? { ...reply, headers: { ...account.headers(performance.now()), ...reply.headers } }
    : reply
  afterLatency(context, extraMs, () => {
    recordUsage(context, full.status)
    by(context.delivery, full)
  })
}

export function afterLatency(context: RequestContext, extraMs: number, run: () => void): void {
  const waitMs = latencyMs(context) + extraMs
  if (waitMs <= 0) run()
  else context.parts.timers.after(waitMs, run)
}

/** Adds the request to the account's history, which GET /usage shows. Requests with an unknown key are left out. */
export function recordUsage(context: RequestContext, status: number): void {
  if (context.keyId === null) return
  context.parts.account.used({
    at: context.receivedAt,
    endpoint: `/${context.endpoint}`,
    status,
    credits: context.searched?.call.charged() ?? 0,
    durationMs: Date.now() - context.receivedAt,
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
  return min + repeatableRandom(seed, 'latency', searched?.search.canonical ?? requestId) * (max - min)
}
