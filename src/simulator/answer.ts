import { errorReply, jsonReply, type Reply } from './reply.js'
import { type RequestContext, takeCredit } from './request-context.js'
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
