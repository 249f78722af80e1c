import { ConfigurationError } from '../domain/errors.js'

/** Where Redis is: redis://, rediss:// or unix:// as a URL, or the private one's socket. */
export type RedisAddress = { readonly url: string } | { readonly socketPath: string }

/** The address as both ioredis and BullMQ read it; what is not said is left out. */
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

/** @throws ConfigurationError for an address that is none (its text is not repeated: it may hold a password) */
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
  const db = url.pathname.replace('/', '')
  return {
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port: url.port === '' ? 6379 : Number(url.port),
    ...login,
    ...(db === '' ? {} : { db: Number(db) }),
    ...(url.protocol === 'rediss:' ? { tls: { servername: url.hostname } } : {}),
  }
}

/** For people and logs; never with a password. */
export function describeAddress(address: RedisAddress): string {
  if ('socketPath' in address) return `Private Redis at ${address.socketPath}`
  const url = parse(address.url)
  const user = url.username === '' ? '' : `${decodeURIComponent(url.username)}@`
  const place = url.protocol === 'unix:' ? decodeURIComponent(url.pathname) : `${url.host}${url.pathname}`
  return `Redis at ${url.protocol}//${user}${place}`
}

function parse(text: string): URL {
  // unix://:password@/path lacks the host that a URL with a password must have.
  const readable = text.replace(/^(unix:\/\/[^/]*@)\//, '$1socket/')
  const url = URL.canParse(readable) ? new URL(readable) : null
  if (url === null || !['redis:', 'rediss:', 'unix:'].includes(url.protocol)) {
    throw new ConfigurationError(
      'The Redis URL cannot be read: expected redis://host:6379, rediss://… (TLS) or unix:///path/to/socket.',
    )
  }
  return url
}
