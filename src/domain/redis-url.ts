export interface RedisUrl {
  readonly kind: 'single' | 'socket' | 'cluster' | 'sentinel'
  readonly tls: boolean
  /** One for a single server, none for a socket. */
  readonly hosts: readonly RedisHost[]
  /** The file of a socket; otherwise empty. */
  readonly path: string
  /** What the sentinels call their primary; otherwise empty. */
  readonly primary: string
  readonly login: RedisLogin
  readonly sentinelLogin: RedisLogin
  /** Null: not named. */
  readonly db: number | null
}

export interface RedisHost {
  /** An IPv6 address is without brackets. */
  readonly host: string
  readonly port: number
}

/** Empty where none is given. */
export interface RedisLogin {
  readonly username: string
  readonly password: string
}

/** The problem is what was expected, without anything secret. */
export type ReadRedisUrl = { readonly url: RedisUrl } | { readonly problem: string }

const KINDS =
  'redis://host:port, rediss://host:port, redis+cluster://host:port,host:port, redis+sentinel://host:port,host:port/primary, unix:///path or the absolute path of a socket'
const ENCODED = 'a user and a password in which # / ? @ % are percent-encoded (%23 %2F %3F %40 %25)'
const PORT = 6379
const SENTINEL_PORT = 26379

/**
 * Reads a Redis address written by a person. A password with a raw `/` or `#` ends the host early. The rest
 * of the password would then be read as a port, path or database, and shown in messages. So any address
 * that may contain such a piece is refused.
 */
export function readRedisUrl(text: string): ReadRedisUrl {
  const several = /^(rediss?)\+(cluster|sentinel):\/\//.exec(text)
  if (several !== null) {
    const found = SEVERAL.exec(text.slice(several[0].length))
    if (found === null) return { problem: /[#/?%].*@/s.test(text.slice(several[0].length)) ? ENCODED : KINDS }
    const tls = several[1] === 'rediss'
    return several[2] === 'cluster' ? readCluster(found, tls) : readSentinel(found, tls)
  }
  return text.startsWith('/') ? { url: socketAt(text) } : readOne(text)
}

/** User and password, hosts, path, query. */
const SEVERAL = /^(?:([^@/?#\s]*)@)?([^@/?#\s]+)(?:\/([^@?#\s]*))?(?:\?([^@#\s]*))?$/

function readCluster([, login, hosts, path, query]: RegExpExecArray, tls: boolean): ReadRedisUrl {
  const parts = readParts(login, hosts, PORT)
  if ('problem' in parts) return parts
  if (path || query) return { problem: 'nothing after the hosts, because a Redis Cluster has only database 0' }
  return { url: { ...NOTHING, ...parts, kind: 'cluster', tls } }
}

function readSentinel([, login, hosts, path, query]: RegExpExecArray, tls: boolean): ReadRedisUrl {
  const parts = readParts(login, hosts, SENTINEL_PORT)
  if ('problem' in parts) return parts
  const primary = decoded(path ?? '')
  if (primary === null || !/^[\w.-]+$/.test(primary))
    return { problem: 'the name of the primary after the hosts, as in redis+sentinel://host:26379/mymaster' }
  const options = new URLSearchParams(query ?? '')
  const db = options.get('db')
  if (db !== null && !isDatabase(db)) return { problem: databaseProblem('db') }
  if ([...options.keys()].some((name) => !['db', 'sentinel_username', 'sentinel_password'].includes(name)))
    return { problem: 'only db, sentinel_username and sentinel_password after the question mark' }
  const sentinelLogin = {
    username: options.get('sentinel_username') ?? '',
    password: options.get('sentinel_password') ?? '',
  }
  return {
    url: { ...NOTHING, ...parts, kind: 'sentinel', tls, primary, sentinelLogin, db: db === null ? null : Number(db) },
  }
}

function readParts(
  login = '',
  hosts = '',
  port: number,
): { readonly hosts: readonly RedisHost[]; readonly login: RedisLogin } | { readonly problem: string } {
  const [username, password] = [/^[^:]*/, /(?<=:).*/].map((part) => decoded(part.exec(login)?.[0] ?? ''))
  if (typeof username !== 'string' || typeof password !== 'string') return { problem: ENCODED }
  const read = hosts.split(',').map((each) => readRedisHost(each, port))
  const known = read.filter((host) => host !== null)
  return known.length < read.length ? { problem: KINDS } : { hosts: known, login: { username, password } }
}

/** Null: no host, with or without a port. */
export function readRedisHost(text: string, port = PORT): RedisHost | null {
  const address = `redis://${text}`
  if (text === '' || !URL.canParse(address)) return null
  const url = new URL(address)
  if (url.hostname === '' || url.pathname !== '') return null
  return { host: withoutBrackets(url.hostname), port: url.port === '' ? port : Number(url.port) }
}

/** For messages: host:port, with commas between several. */
export function hostsText(hosts: readonly RedisHost[]): string {
  return hosts.map(({ host, port }) => `${host.includes(':') ? `[${host}]` : host}:${port}`).join(',')
}

function readOne(text: string): ReadRedisUrl {
  // unix://:password@/path lacks the host that a URL with a password must have.
  const readable = text.replace(/^(unix:\/\/[^/]*@)\//, '$1socket/')
  const url = /\s/.test(text) || !URL.canParse(readable) ? null : new URL(readable)
  const place = url?.protocol === 'unix:' ? url.pathname : url?.hostname
  if (url === null || !['redis:', 'rediss:', 'unix:'].includes(url.protocol) || !place)
    return { problem: /^(rediss?|unix):\/\/.*[#/?%].*@/s.test(text) ? ENCODED : KINDS }
  const [username, password, path] = [url.username, url.password, url.pathname].map(decoded)
  if (typeof username !== 'string' || typeof password !== 'string' || typeof path !== 'string')
    return { problem: ENCODED }
  if (url.hash !== '' || /@/.test(url.search)) return { problem: ENCODED }
  const login = { username, password }
  if (url.protocol === 'unix:') {
    const db = url.searchParams.get('db')
    if (db !== null && !isDatabase(db)) return { problem: databaseProblem('db') }
    if ([...url.searchParams.keys()].some((name) => name !== 'db'))
      return { problem: 'only db after the question mark, as in unix:///path?db=3' }
    return { url: { ...NOTHING, kind: 'socket', tls: false, path, login, db: db === null ? null : Number(db) } }
  }
  if (url.pathname.includes('@')) return { problem: ENCODED }
  if (url.search !== '')
    return { problem: 'the database behind the slash, as in redis://host:6379/3, and nothing else' }
  const database = url.pathname.slice(1)
  if (database !== '' && !isDatabase(database)) return { problem: databaseProblem(url.pathname) }
  const host = { host: withoutBrackets(url.hostname), port: url.port === '' ? PORT : Number(url.port) }
  const db = database === '' ? null : Number(database)
  return { url: { ...NOTHING, kind: 'single', tls: url.protocol === 'rediss:', hosts: [host], login, db } }
}

const NO_LOGIN: RedisLogin = { username: '', password: '' }
const NOTHING = { hosts: [], path: '', primary: '', login: NO_LOGIN, sentinelLogin: NO_LOGIN, db: null }

/** A plain path may hold any character. */
function socketAt(path: string): RedisUrl {
  return { ...NOTHING, kind: 'socket', tls: false, path }
}

function withoutBrackets(hostname: string): string {
  return hostname.replace(/^\[|\]$/g, '')
}

/** Null: a malformed percent sign. */
function decoded(part: string): string | null {
  try {
    return decodeURIComponent(part)
  } catch {
    return null
  }
}

function isDatabase(text: string): boolean {
  return /^\d{1,9}$/.test(text)
}

/** Repeats short names only: anything longer may be part of a password. */
function databaseProblem(found: string): string {
  const named = /^\/[\w-]{1,12}$/.test(found) ? ` instead of ${found}` : ''
  return `a database number${named}, as in redis://host:6379/0 or unix:///path?db=0`
}
