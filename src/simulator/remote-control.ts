import type { Exchange } from './api.js'
import { type ControlName, controlLines, isControl, type SimulatorControls } from './controls.js'
import { deliver, type Timers } from './delivery.js'
import { jsonReply, type Reply } from './reply.js'
import { isRecord } from './search-request.js'

/**
 * Controls a simulator in another process over HTTP. It listens on loopback only, at an address of its own,
 * so that a client under test cannot call it by mistake. See controls.ts.
 */

export const CONTROL_PATH = '/__simulator'

/** Calls on one page at most. */
const LARGEST_PAGE = 10_000

export function handleControl(controls: SimulatorControls, timers: Timers, exchange: Exchange): void {
  deliver({ response: exchange.response, timers }, reply(controls, exchange))
}

function reply(controls: SimulatorControls, { request, path, query, body }: Exchange): Reply {
  if (!isLoopback(request.socket.remoteAddress)) return jsonReply(403, { error: 'Only from this machine' })
  try {
    const action = `${request.method} ${path.slice(CONTROL_PATH.length)}`
    if (!isControl(action)) {
      return jsonReply(404, { error: `No such control: ${request.method} ${path}`, controls: controlLines() })
    }
    return jsonReply(200, act(controls, action, new URLSearchParams(query), body))
  } catch (error) {
    return jsonReply(400, { error: error instanceof Error ? error.message : String(error) })
  }
}

/** Throws for an invalid body. */
function act(controls: SimulatorControls, action: ControlName, parameters: URLSearchParams, body: string): object {
  switch (action) {
    case 'GET /calls':
      return page(controls, Number(parameters.get('offset') ?? 0), Number(parameters.get('limit') ?? 1000))
    case 'GET /summary':
      return { ...controls.summary(), credits: controls.credits() }
    case 'POST /top-up':
      controls.topUp(numberIn(body, 'credits'))
      return { credits: controls.credits() }
    case 'POST /credits':
      controls.setCredits(numberIn(body, 'credits'))
      return { credits: controls.credits() }
    case 'POST /limit':
      controls.setLimit(fieldsOf(body).perMinute === null ? null : numberIn(body, 'perMinute'))
      return { done: true }
    case 'POST /elsewhere':
      return { passed: controls.useElsewhere(numberIn(body, 'requests')) }
    case 'POST /fault':
      // `checkFaultRule` says what is wrong with it.
      return { id: controls.fail(JSON.parse(body)) }
    case 'POST /clear-fault': {
      const { id } = fieldsOf(body)
      return { cleared: controls.clearFault(typeof id === 'string' ? id : undefined) }
    }
    case 'POST /key':
      if (fieldsOf(body).revoked === true) controls.revokeKey()
      else controls.restoreKey()
      return { done: true }
    default:
      return action satisfies never
  }
}

function page(controls: SimulatorControls, offset: number, limit: number): object {
  if (!(offset >= 0 && limit >= 1)) throw new RangeError('expected offset 0 or more and limit 1 or more')
  const size = Math.min(limit, LARGEST_PAGE)
  const calls = controls.calls()
  return { calls: calls.slice(offset, offset + size), total_count: calls.length, offset, limit: size }
}

function fieldsOf(body: string): Record<string, unknown> {
  const value: unknown = body === '' ? {} : JSON.parse(body)
  if (!isRecord(value)) throw new TypeError('expected a JSON object')
  return value
}

function numberIn(body: string, name: string): number {
  const value = fieldsOf(body)[name]
  if (typeof value !== 'number' || !(value >= 0)) throw new TypeError(`${name}: expected a number, 0 or more`)
  return value
}

function isLoopback(address: string | undefined): boolean {
  return address === '::1' || /^(::ffff:)?127\./.test(address ?? '')
}
