import { isLoopback, SHORTEST_PASSWORD } from '../domain/loopback.js'
import { readRedisUrl } from '../domain/redis-url.js'
import type { Secret } from './secret.js'
import type { SettingName } from './setting-table.js'
import type { Settings } from './settings.js'

/** Two settings that are each valid but cannot work together. */
export interface Contradiction {
  readonly name: SettingName
  /** The other setting. If either could not be read, this contradiction is not reported. */
  readonly other: SettingName
  readonly message: string
}

/**
 * An answer that arrives just before the timeout must still be committed before the job's lock
 * expires.
 */
const COMMIT_MARGIN_MS = 2000

export function contradictions(settings: Settings): Contradiction[] {
  const { requestTimeoutMs, lockDurationMs, stalledIntervalMs, backoff, board } = settings
  const found: Contradiction[] = []
  const longestCallMs = lockDurationMs - COMMIT_MARGIN_MS
  if (requestTimeoutMs >= longestCallMs) {
    found.push({
      name: 'TRACKYARD_REQUEST_TIMEOUT_MS',
      other: 'TRACKYARD_LOCK_DURATION_MS',
      message: `expected less than TRACKYARD_LOCK_DURATION_MS - ${COMMIT_MARGIN_MS} = ${longestCallMs}, found ${requestTimeoutMs}`,
    })
  }
  if (stalledIntervalMs > lockDurationMs) {
    found.push({
      name: 'TRACKYARD_STALLED_INTERVAL_MS',
      other: 'TRACKYARD_LOCK_DURATION_MS',
      message: `expected at most TRACKYARD_LOCK_DURATION_MS = ${lockDurationMs}, found ${stalledIntervalMs}`,
    })
  }
  if (backoff.baseMs > backoff.maxMs) {
    found.push({
      name: 'TRACKYARD_BACKOFF_BASE_MS',
      other: 'TRACKYARD_BACKOFF_MAX_MS',
      message: `expected at most TRACKYARD_BACKOFF_MAX_MS = ${backoff.maxMs}, found ${backoff.baseMs}`,
    })
  }
  if (board.password === null && !isLoopback(board.host)) {
    found.push({
      name: 'TRACKYARD_BOARD_PASSWORD',
      other: 'TRACKYARD_BOARD_HOST',
      message: `expected a password, because other machines may reach TRACKYARD_BOARD_HOST = ${board.host}, found none`,
    })
  }
  if (board.password !== null && !isLoopback(board.host) && lengthOf(board.password) < SHORTEST_PASSWORD) {
    found.push({
      name: 'TRACKYARD_BOARD_PASSWORD',
      other: 'TRACKYARD_BOARD_HOST',
      message: `expected at least ${SHORTEST_PASSWORD} characters, because other machines may reach TRACKYARD_BOARD_HOST = ${board.host}, found a shorter password`,
    })
  }
  const redis = readRedisUrl(settings.redisUrl?.reveal() ?? '')
  const kind = 'url' in redis ? redis.url.kind : null
  if (settings.redisCa !== null && !('url' in redis && redis.url.tls)) {
    found.push({
      name: 'TRACKYARD_REDIS_CA_FILE',
      other: 'TRACKYARD_REDIS_URL',
      message:
        'expected a TRACKYARD_REDIS_URL with TLS (rediss://, rediss+cluster:// or rediss+sentinel://) beside it, found none',
    })
  }
  if (settings.redisNatMap !== null && kind !== 'cluster' && kind !== 'sentinel') {
    found.push({
      name: 'TRACKYARD_REDIS_NAT_MAP',
      other: 'TRACKYARD_REDIS_URL',
      message: 'expected a TRACKYARD_REDIS_URL with +cluster or +sentinel beside it, found none',
    })
  }
  if (settings.databaseUrl !== null && settings.redisUrl === null) {
    found.push({
      name: 'TRACKYARD_REDIS_URL',
      other: 'TRACKYARD_DATABASE_URL',
      message:
        'expected the address of a Redis that all machines share, because TRACKYARD_DATABASE_URL is set (two private ones would call the API at twice the rate), found none',
    })
  }
  if (settings.databaseCa !== null && !verifies(settings.databaseUrl)) {
    found.push({
      name: 'TRACKYARD_DATABASE_CA_FILE',
      other: 'TRACKYARD_DATABASE_URL',
      message: 'expected a TRACKYARD_DATABASE_URL with sslmode=verify-ca or verify-full beside it, found none',
    })
  }
  return found
}

function verifies(address: Secret | null): boolean {
  return address !== null && /[?&]sslmode=verify-/.test(address.reveal())
}

/** In characters, not in UTF-16 units. */
function lengthOf(password: Secret): number {
  return [...password.reveal()].length
}
