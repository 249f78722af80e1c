import { ConfigurationError } from '../domain/errors.js'
import { parseRedisUrl, redisUrlProblem } from '../domain/redis-url.js'

/** Where Redis is: redis://, rediss:// or unix:// as a URL, or the private one's socket. */
export type RedisAddress = { readonly url: string } | { readonly socketPath: string }

/** The address in the form that ioredis and BullMQ read. Missing parts are left out. */
export interface RedisPlace {
  readonly host?: string
  readonly port?: number
  /** Of a unix socket. */
  readonly path?: string
  readonly username?: string
  readonly password?: string
  readonly db?: number
  readonly tls?: { readonly servername: string }
}

/** @throws ConfigurationError for an invalid address, without its text: that may hold a password */
export function redisOptionsOf(address: RedisAddress): RedisPlace {
  if ('socketPath' in address) return { path: address.socketPath }
  const url = parse(address.url)
  const login = {
    ...(url.username === '' ? {} : { username: decodeURIComponent(url.username) }),
    ...(url.password === '' ? {} : { password: decodeURIComponent(url.password) }),
  }
  if (url.protocol === 'unix:') {
    const db = url.searchParams.get('db')
    return { path: decodeURIComponent(url.pathname), ...login, ...(db === null ? {} : { db: Number(db) }) }
  }
  const db = url.pathname.slice(1)
  return {
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port: url.port === '' ? 6379 : Number(url.port),
    ...login,
    ...(db === '' ? {} : { db: Number(db) }),
    ...(url.protocol === 'rediss:' ? { tls: { servername: url.hostname } } : {}),
  }
}

/** For messages and logs, without the password. A user without a password is hidden too: it may be a password with its colon forgotten. */
export function describeAddress(address: RedisAddress): string {
  if ('socketPath' in address) return `Private Redis at ${address.socketPath}`
  const url = parse(address.url)
  const user = url.password === '' || url.username === '' ? '' : `${decodeURIComponent(url.username)}@`
  const place = url.protocol === 'unix:' ? decodeURIComponent(url.pathname) : `${url.host}${url.pathname}`
  return `Redis at ${url.protocol}//${user}${place}`
}

function parse(text: string): URL {
  const url = parseRedisUrl(text)
  const problem = redisUrlProblem(text)
  if (url !== null && problem === null) return url
  throw new ConfigurationError(`The Redis URL cannot be used: expected ${problem}. Correct TRACKYARD_REDIS_URL.`)
}
