import { cut, deliver, deliverHalf, drip, hang, type Way } from './delivery.js'
import type { FaultKind, FaultRule, FaultStatus } from './faults.js'
import { errorReply, htmlReply, jsonReply, type Reply, retryAfterHeader } from './reply.js'
import { afterLatency, type RequestContext, remember, send, takeCredit } from './request-context.js'
import type { ReceivedSearch } from './search-request.js'

/**
 * What the API makes of a request that nothing happens to: documented checks (400), then credits (402),
 * then the answer. The credit is taken here, before latency and whatever happens on the way back: that
 * is why a cut connection or a killed caller costs what it costs in life.
 */
export function answer(visit: RequestContext, charged = true): Reply {
  if (visit.searched !== null) return answerSearch(visit, visit.searched.search, charged)
  return visit.endpoint === 'me' ? jsonReply(200, visit.parts.account.me()) : answerUsage(visit)
}

function answerSearch(visit: RequestContext, search: ReceivedSearch, charged: boolean): Reply {
  const { account, options, library } = visit.parts
  if (search.problem !== null) return badRequest(visit, search.problem)
  if (account.credits() < 1) return errorReply(402, options, visit)
  if (charged) takeCredit(visit)
  return jsonReply(200, `{"tracks":[${library.find(search).join()}],"credits_remaining":${account.credits()}}`)
}

/** API document: GET /usage?limit=1..100&offset= */
function answerUsage(visit: RequestContext): Reply {
  const parameters = new URLSearchParams(visit.urlQuery)
  const limit = Number(parameters.get('limit') ?? 20)
  const offset = Number(parameters.get('offset') ?? 0)
  if (!(limit >= 1 && limit <= 100)) return badRequest(visit, 'limit must be between 1 and 100')
  if (!(offset >= 0)) return badRequest(visit, 'offset must be a number, 0 or more')
  return jsonReply(200, visit.parts.account.usage(Math.floor(limit), Math.floor(offset)))
}

function badRequest(visit: RequestContext, problem: string): Reply {
  return errorReply(400, visit.parts.options, visit, { error: problem, code: 'invalid_parameters' })
}

/**
 * What a fault rule does to a request. Faults that stand in for an answer take no credit, unless the
 * rule or the charge rule says so. Faults that spoil an answer start from the real one, so a credit is
 * taken as for any other; a request that would be refused anyway is refused as ever.
 */
export function applyFault(visit: RequestContext, fault: FaultRule & { readonly id: string }): void {
  visit.searched?.call.strike(fault.id)
  const { does } = fault
  if (typeof does !== 'string') send(visit, statusReply(visit, fault, does))
  else if (does === 'hang' || does === 'cut') vanish(visit, fault, does === 'hang' ? hang : cut)
  else spoil(visit, fault, SPOILS[does])
}

interface Spoil {
  /** What becomes of the answer itself. Default: nothing. */
  readonly reply?: (reply: Reply) => Reply
  /** How it travels, by the rule's milliseconds. Default: whole. */
  readonly by?: (ms: number | undefined) => (way: Way, reply: Reply) => void
  readonly extraMs?: (ms: number | undefined) => number
}

const SPOILS: Readonly<Record<Exclude<FaultKind, 'hang' | 'cut'>, Spoil>> = {
  html: { reply: () => htmlReply(200) },
  empty: { reply: (reply) => ({ ...reply, body: '' }) },
  'not the shape': { reply: () => jsonReply(200, { ok: true, results: 'see the documentation' }) },
  truncated: { reply: (reply) => ({ ...reply, body: reply.body.slice(0, reply.body.length >> 1) }) },
  'cut in the answer': { by: () => deliverHalf },
  drip: { by: (ms) => (way, reply) => drip(way, reply, ms ?? 100) },
  late: { extraMs: (ms) => ms ?? 1000 },
}

function spoil(visit: RequestContext, fault: FaultRule, how: Spoil): void {
  const reply = answer(visit, fault.charged ?? true)
  const spoilt = reply.status === 200 && how.reply !== undefined ? how.reply(reply) : reply
  send(visit, spoilt, how.by?.(fault.ms) ?? deliver, how.extraMs?.(fault.ms) ?? 0)
}

function vanish(visit: RequestContext, fault: FaultRule, how: (way: Way) => void): void {
  const charged = (fault.charged ?? visit.parts.options.chargeRule === 'once started') && takeCredit(visit)
  afterLatency(visit, 0, () => {
    remember(visit, charged ? 200 : 500)
    how(visit.way)
  })
}

function statusReply(visit: RequestContext, fault: FaultRule, does: FaultStatus): Reply {
  const { options } = visit.parts
  // API document: credits are consumed on successful responses only.
  if (fault.charged ?? does.status < 300) takeCredit(visit)
  const waitMs = fault.ms ?? (does.status === 429 ? 1000 : null)
  const given = Object.entries(does.headers ?? {}).map(([name, value]) => [name.toLowerCase(), value])
  const headers = {
    ...(waitMs === null ? {} : retryAfterHeader(options.retryAfter, waitMs)),
    ...Object.fromEntries(given),
  }
  const reply =
    typeof does.body === 'string'
      ? { status: does.status, body: does.body, headers: {} }
      : errorReply(does.status, options, visit, does.body)
  return { ...reply, headers: { ...reply.headers, ...headers } }
}
