/**
 * Where Redis is, as a person writes it. A password with a raw `/` or `#` ends the host early, and the rest of it
 * would be taken for a port, a path or a database, and shown; so everything that may be a piece of one is refused.
 */
const KINDS = 'redis://host:port, rediss://host:port, unix:///path or the absolute path of a socket'
const ENCODED = 'a user and a password in which # / ? @ % are percent-encoded (%23 %2F %3F %40 %25)'

/** What was expected, as a phrase that repeats nothing secret; null: it can be used. */
export function redisUrlProblem(text: string): string | null {
  if (text.startsWith('/')) return null
  const url = parseRedisUrl(text)
  if (url === null) return mayHoldRawPassword(text) ? ENCODED : KINDS
  const { pathname, search, hash, protocol } = url
  if (hash !== '' || /@/.test(search) || !isEncoded(url)) return ENCODED
  if (protocol === 'unix:') return isDatabase(url.searchParams.get('db') ?? '0') ? null : databaseProblem('db')
  if (pathname.includes('@')) return ENCODED
  const database = pathname.slice(1)
  return database === '' || isDatabase(database) ? null : databaseProblem(pathname)
}

/** Null: it is no address of a Redis. A path alone is the one of a socket. */
export function parseRedisUrl(text: string): URL | null {
  if (/\s/.test(text) && !text.startsWith('/')) return null
  const whole = text.startsWith('/') ? `unix://${text.split('/').map(encodeURIComponent).join('/')}` : text
  // unix://:password@/path lacks the host that a URL with a password must have.
  const readable = whole.replace(/^(unix:\/\/[^/]*@)\//, '$1socket/')
  if (!URL.canParse(readable)) return null
  const url = new URL(readable)
  const place = url.protocol === 'unix:' ? url.pathname : url.hostname
  return ['redis:', 'rediss:', 'unix:'].includes(url.protocol) && place !== '' ? url : null
}

function mayHoldRawPassword(text: string): boolean {
  return /^(rediss?|unix):\/\/.*[#/?%].*@/s.test(text)
}

function isEncoded({ username, password, pathname }: URL): boolean {
  try {
    for (const part of [username, password, pathname]) decodeURIComponent(part)
    return true
  } catch {
    return false
  }
}

function isDatabase(text: string): boolean {
  return /^\d{1,9}$/.test(text)
}

/** Short names only: anything else may be a piece of something else. */
function databaseProblem(found: string): string {
  const named = /^\/[\w-]{1,12}$/.test(found) ? ` instead of ${found}` : ''
  return `a database number${named}, as in redis://host:6379/0 or unix:///path?db=0`
}
