import { createHash, timingSafeEqual } from 'node:crypto'
import { isIPv6 } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { getConnInfo } from '@hono/node-server/conninfo'
import type { MiddlewareHandler } from 'hono'
import { basicAuth } from 'hono/basic-auth'
import { HTTPException } from 'hono/http-exception'
import type { Logger } from '../domain/logger.js'

/**
 * The password of the board. A wrong one is answered later each time, and meanwhile nothing else from the same address
 * is checked, right or wrong: so many guesses at once are no faster than one after the other.
 */
export interface Credentials {
  readonly username: string
  readonly password: string
}

/** The wait after the first wrong password; it doubles each time. */
const FIRST_DELAY_MS = 250
const LONGEST_DELAY_MS = 5000
/** Requests of one address that wait for their turn; a browser asks for six files at once. */
const MOST_WAITING = 8
/** An address without a failure for so long starts afresh. */
const FORGET_AFTER_MS = 15 * 60_000
const MOST_ADDRESSES = 1000

interface Visitor {
  failures: number
  waiting: number
  lastFailureAt: number
  /** Resolves when the latest wrong password has been answered. */
  turn: Promise<unknown>
}

export function requirePassword(credentials: Credentials, { log }: { readonly log: Logger }): MiddlewareHandler {
  const visitors = new Map<string, Visitor>()
  const wanted = digest(credentials.username, credentials.password)

  /** Newest last; the oldest that nobody waits for make room. */
  function remember(address: string): Visitor {
    const known = visitors.get(address)
    const isStale = known !== undefined && performance.now() - known.lastFailureAt > FORGET_AFTER_MS
    const visitor =
      known === undefined || (isStale && known.waiting === 0)
        ? { failures: 0, waiting: 0, lastFailureAt: performance.now(), turn: Promise.resolve() }
        : known
    visitors.delete(address)
    for (const [oldest, { waiting }] of visitors) {
      if (visitors.size < MOST_ADDRESSES) break
      if (waiting === 0) visitors.delete(oldest)
    }
    visitors.set(address, visitor)
    return visitor
  }

  async function answer(visitor: Visitor, address: string, isRight: boolean): Promise<boolean> {
    if (isRight) return true
    visitor.failures += 1
    visitor.lastFailureAt = performance.now()
    log.warn(
      { event: 'board.password_refused', address, failures: visitor.failures, repeats: true },
      'wrong user or password for the board',
    )
    const delayMs = Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** (visitor.failures - 1))
    await sleep(delayMs, undefined, { ref: false })
    return false
  }

  return basicAuth({
    realm: 'trackyard-batch',
    verifyUser: async (username, password, c) => {
      const address = networkOf(getConnInfo(c).remote.address ?? '')
      const isRight = timingSafeEqual(digest(username, password), wanted)
      // Nobody from there has failed: there is nothing to wait for.
      if (isRight && !visitors.has(address)) return true
      const visitor = remember(address)
      if (visitor.waiting >= MOST_WAITING) {
        throw new HTTPException(429, {
          res: new Response('Too many wrong passwords from your address: try again later.', {
            status: 429,
            headers: { 'retry-after': String(LONGEST_DELAY_MS / 1000) },
          }),
        })
      }
      visitor.waiting += 1
      const mine = visitor.turn.then(() => answer(visitor, address, isRight))
      visitor.turn = mine
      try {
        return await mine
      } finally {
        visitor.waiting -= 1
      }
    },
  })
}

/** Digests have one length, so that comparing them tells nothing about the password. */
function digest(username: string, password: string): Buffer {
  return createHash('sha256')
    .update(JSON.stringify([username, password]))
    .digest()
}

/** Who has one address of IPv6 has 2^64 of them. */
function networkOf(address: string): string {
  if (!isIPv6(address)) return address
  const [, ipv4] = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address) ?? []
  if (ipv4 !== undefined) return ipv4
  const [head = '', tail] = address.replace(/%.*$/, '').split('::')
  const before = head === '' ? [] : head.split(':')
  const after = tail === undefined || tail === '' ? [] : tail.split(':')
  const zeros = tail === undefined ? [] : new Array<string>(Math.max(0, 8 - before.length - after.length)).fill('0')
  return `${[...before, ...zeros, ...after].slice(0, 4).join(':')}::/64`
}
