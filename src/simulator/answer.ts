import { cut, type Delivery, deliver, deliverHalf, drip, hang } from './delivery.js'
import type { FaultKind, FaultRule, FaultStatus } from './faults.js'
import { errorReply, htmlReply, jsonReply, type Reply, retryAfterHeader } from './reply.js'
import { afterLatency, type RequestContext, recordUsage, send, takeCredit } from './request-context.js'
import type { ReceivedSearch } from './search-request.js'

/**
 * Answers a request without a fault: documented checks (400), then credits (402), then the answer. The credit
 * is taken here, before latency and delivery, so that a cut connection or a killed caller costs a credit, as
 * with the real API.
 */
export function answer(context: RequestContext, charged = true): Reply {
  if (context.searched !== null) return answerSearch(context, context.searched.search, charged)
  return context.endpoint === 'me' ? jsonReply(200, context.parts.account.me()) : answerUsage(context)
}

function answerSearch(context: RequestContext, search: ReceivedSearch, charged: boolean): Reply {
  const { account, options, library } = context.parts
  if (search.problem !== null) return badRequest(context, search.problem)
  if (account.credits() < 1) return errorReply(402, options, context)
  if (charged) takeCredit(context)
  return jsonReply(200, `{"tracks":[${library.find(search).join()}],"credits_remaining":${account.credits()}}`)
}

/** API document: GET /usage?limit=1..100&offset= */
function answerUsage(context: RequestContext): Reply {
  const parameters = new URLSearchParams(context.urlQuery)
  const limit = Number(parameters.get('limit') ?? 20)
  const offset = Number(parameters.get('offset') ?? 0)
  if (!(limit >= 1 && limit <= 100)) return badRequest(context, 'limit must be between 1 and 100')
  if (!(offset >= 0)) return badRequest(context, 'offset must be a number, 0 or more')
  return jsonReply(200, context.parts.account.usage(Math.floor(limit), Math.floor(offset)))
}

function badRequest(context: RequestContext, problem: string): Reply {
  return errorReply(400, context.parts.options, context, { error: problem, code: 'invalid_parameters' })
}

/**
 * Applies a fault rule to a request. A fault that replaces the answer takes no credit, unless `charged` of the
 * rule or the option `chargeRule` says so. A fault that damages the answer starts with the real one and its
 * credit. A request that would be refused anyway is refused as usual.
 */
export function applyFault(context: RequestContext, fault: FaultRule & { readonly id: string }): void {
  context.searched?.call.applyFault(fault.id)
  const { does } = fault
  if (typeof does !== 'string') send(context, statusReply(context, fault, does))
  else if (does === 'hang' || does === 'cut') vanish(context, fault, does === 'hang' ? hang : cut)
  else spoil(context, fault, SPOILS[does])
}

interface Spoil {
  /** Changes the answer. Default: it is unchanged. */
  readonly reply?: (reply: Reply) => Reply
  /** Sends it, with the rule's milliseconds. Default: at once and completely. */
  readonly by?: (ms: number | undefined) => (delivery: Delivery, reply: Reply) => void
  readonly extraMs?: (ms: number | undefined) => number
}

const SPOILS: Readonly<Record<Exclude<FaultKind, 'hang' | 'cut'>, Spoil>> = {
  html: { reply: () => htmlReply(200) },
  empty: { reply: (reply) => ({ ...reply, body: '' }) },
  'not the shape': { reply: () => jsonReply(200, { ok: true, results: 'see the documentation' }) },
  truncated: { reply: (reply) => ({ ...reply, body: reply.body.slice(0, reply.body.length >> 1) }) },
  'cut in the answer': { by: () => deliverHalf },
  drip: { by: (ms) => (delivery, reply) => drip(delivery, reply, ms ?? 100) },
  late: { extraMs: (ms) => ms ?? 1000 },
}

function spoil(context: RequestContext, fault: FaultRule, how: Spoil): void {
  const reply = answer(context, fault.charged ?? true)
  const spoilt = reply.status === 200 && how.reply !== undefined ? how.reply(reply) : reply
  send(context, spoilt, how.by?.(fault.ms) ?? deliver, how.extraMs?.(fault.ms) ?? 0)
}

function vanish(context: RequestContext, fault: FaultRule, how: (delivery: Delivery) => void): void {
  const charged = (fault.charged ?? context.parts.options.chargeRule === 'once started') && takeCredit(context)
  afterLatency(context, 0, () => {
    recordUsage(context, charged ? 200 : 500)
    how(context.delivery)
  })
}

function statusReply(context: RequestContext, fault: FaultRule, does: FaultStatus): Reply {
  const { options } = context.parts
  // API document: credits are consumed on successful responses only.
  if (fault.charged ?? does.status < 300) takeCredit(context)
  const waitMs = fault.ms ?? (does.status === 429 ? 1000 : null)
  const given = Object.entries(does.headers ?? {}).map(([name, value]) => [name.toLowerCase(), value])
  const headers = {
    ...(waitMs === null ? {} : retryAfterHeader(waitMs)),
    ...Object.fromEntries(given),
  }
  const reply =
    typeof does.body === 'string'
      ? { status: does.status, body: does.body, headers: {} }
      : errorReply(does.status, options, context, does.body)
  return { ...reply, headers: { ...reply.headers, ...headers } }
}
