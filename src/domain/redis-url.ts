/**
 * Parses a Redis address written by a person. A password with a raw `/` or `#` ends the host early. The rest
 * of the password would then be read as a port, path or database, and shown in messages. So any address
 * that may contain such a piece is refused.
 */
const KINDS = 'redis://host:port, rediss://host:port, unix:///path or the absolute path of a socket'
const ENCODED = 'a user and a password in which # / ? @ % are percent-encoded (%23 %2F %3F %40 %25)'

/** Describes the expected form without repeating anything secret; null when the address is valid. */
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

/** Null when it is not a Redis address. A plain path is a Unix socket. */
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

/** Repeats short names only: anything longer may be part of a password. */
function databaseProblem(found: string): string {
  const named = /^\/[\w-]{1,12}$/.test(found) ? ` instead of ${found}` : ''
  return `a database number${named}, as in redis://host:6379/0 or unix:///path?db=0`
}
