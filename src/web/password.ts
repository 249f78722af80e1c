import { createHash, timingSafeEqual } from 'node:crypto'
import { isIPv6 } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { getConnInfo } from '@hono/node-server/conninfo'
import type { MiddlewareHandler } from 'hono'
import { basicAuth } from 'hono/basic-auth'
import { HTTPException } from 'hono/http-exception'
import type { Logger } from '../domain/logger.js'

/**
 * The password of the board. Each wrong password is answered later than the one before. Meanwhile
 * nothing else from the same address is checked, right or wrong, so parallel guesses are no faster
 * than sequential ones.
 */

/** The delay after the first wrong password. It doubles each time. */
const FIRST_DELAY_MS = 250
const LONGEST_DELAY_MS = 5000
/** Queued requests per address. A browser asks for six files at once. */
const MOST_WAITING = 8
/** After this time without a failure an address is forgotten. */
const FORGET_AFTER_MS = 15 * 60_000
const MOST_ADDRESSES = 1000

interface Visitor {
  failures: number
  waiting: number
  lastFailureAt: number
  /** Resolves when the latest wrong password has been answered. */
  turn: Promise<unknown>
}

export function requirePassword(user: string, password: string, log: Logger): MiddlewareHandler {
  const visitors = new Map<string, Visitor>()
  const wanted = digest(user, password)

  /** Newest last. Removes the oldest addresses that have no waiting request. */
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
    verifyUser: async (givenUser, givenPassword, c) => {
      const address = networkOf(getConnInfo(c).remote.address ?? '')
      const isRight = timingSafeEqual(digest(givenUser, givenPassword), wanted)
      // This address has no failures: no need to wait.
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

/** Digests have equal lengths, so the comparison reveals nothing about the password. */
function digest(username: string, password: string): Buffer {
  return createHash('sha256')
    .update(JSON.stringify([username, password]))
    .digest()
}

/** An IPv6 client usually has a whole /64, 2^64 addresses: treat them as one. */
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
