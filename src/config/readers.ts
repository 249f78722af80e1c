import { homedir, userInfo } from 'node:os'
import { resolve } from 'node:path'
import { type ActiveHours, isTimeZone, parseActiveHours } from '../domain/active-hours.js'
import { type RedisHost, readRedisHost, readRedisUrl } from '../domain/redis-url.js'
import { type Secret, secret } from './secret.js'
import { foundInstead, readSmallFile } from './small-file.js'

/** Parses the text of a setting into its value. Not with zod: every command would load its 95 files. */
export type Reader<T> = (text: string) => Reading<T>

/** `expected` is a phrase that fits "NAME: expected …, found …". */
export type Reading<T> = { readonly value: T } | { readonly expected: string }

/** A reader for texts that `pattern` matches. */
function matching<T>(pattern: RegExp, expected: string, toValue: (text: string) => T): Reader<T> {
  return (text) => (pattern.test(text) ? { value: toValue(text) } : { expected })
}

function numberLike(pattern: RegExp, [min, max]: readonly [number, number], expected: string): Reader<number> {
  return (text) => {
    const value = Number(text)
    return pattern.test(text) && value >= min && value <= max ? { value } : { expected }
  }
}

export function wholeNumber(min: number, max: number): Reader<number> {
  return numberLike(/^\d{1,15}$/, [min, max], `a whole number from ${min} to ${max}`)
}

/** A whole number, or the word that means "detect it", such as `auto`. */
export function wholeNumberOr<const W extends string>(word: W, min: number, max: number): Reader<number | W> {
  const number = numberLike(/^\d{1,15}$/, [min, max], `${word}, or a whole number from ${min} to ${max}`)
  return (text) => (text === word ? { value: word } : number(text))
}

/** Decimals are allowed: `0.5`. */
export function decimalNumber(min: number, max: number): Reader<number> {
  return numberLike(/^\d{1,15}(\.\d{1,6})?$/, [min, max], `a number from ${min} to ${max}`)
}

export function oneOf<const T extends string>(...words: readonly [T, ...T[]]): Reader<T> {
  return (text) => {
    const value = words.find((word) => word === text.toLowerCase())
    return value === undefined ? { expected: `one of ${words.join(', ')}` } : { value }
  }
}

export function activeHours(text: string): Reading<ActiveHours> {
  const value = parseActiveHours(text)
  return value === null
    ? { expected: 'always, hours such as 22:00-06:00, or spans such as Mon-Fri 20:00-07:00, Sat-Sun' }
    : { value }
}

/** An IANA name. */
export function timeZone(text: string): Reading<string> {
  return isTimeZone(text) ? { value: text } : { expected: 'a time zone such as Europe/Berlin' }
}

export const yesOrNo: Reader<boolean> = matching(/^(true|yes|1|false|no|0)$/i, 'true or false', (text) =>
  /^(true|yes|1)$/i.test(text),
)

export function textLike(pattern: RegExp, expected: string): Reader<string> {
  return matching(pattern, expected, (text) => text)
}

export function secretLike(pattern: RegExp, expected: string): Reader<Secret> {
  return matching(pattern, expected, secret)
}

/** Absolute. Expands `~/` to the home directory, because no shell expands it in a `.env`. */
export function path(text: string): Reading<string> {
  return IN_HOME.test(text) && homeDirectory() === null
    ? { expected: 'a path without ~, since this user has no home directory' }
    : { value: resolve(text.replace(IN_HOME, () => homeDirectory() ?? '')) }
}

const IN_HOME = /^~(?=\/|$)/

/** Null for a user that the system does not know, such as an arbitrary user id in a container. */
export function homeDirectory(): string | null {
  try {
    // An empty HOME would make every directory a place of its own for the store.
    return homedir() || userInfo().homedir
  } catch {
    return null
  }
}

/**
 * Origin and path in canonical form (lower case, no default port, no trailing slash), because
 * addresses are compared.
 */
export function httpUrl(text: string): Reading<string> {
  const url = parseUrl(text, ['http:', 'https:'])
  return url !== null && url.username === '' && url.password === '' && !/[?#]/.test(text)
    ? { value: `${url.origin}${url.pathname}`.replace(/\/+$/, '') }
    : { expected: 'an http:// or https:// address without user, password, query or fragment' }
}

/**
 * Without a trailing slash.
 * @param own first segments that the board uses itself
 */
export function urlPath(...own: readonly string[]): Reader<string> {
  return (text) => {
    const value = text.replace(/\/$/, '')
    const [root, ...segments] = value.split('/')
    const isPlain = segments.every((each) => /^[\w.~-]+$/.test(each) && !/^\.\.?$/.test(each))
    if (root === '' && segments.length > 0 && isPlain && !own.includes(segments[0] ?? '')) return { value }
    return {
      expected: `a path such as /queues-admin, of letters, digits and - . _ ~, that does not begin with /${own.join(', /')}`,
    }
  }
}

/** May have a user and a password. */
export function secretHttpUrl(text: string): Reading<Secret> {
  const url = parseUrl(text, ['http:', 'https:'])
  if (url === null) return { expected: 'an http:// or https:// address' }
  return hasReadableCredentials(url)
    ? { value: secret(text) }
    : { expected: 'an http:// or https:// address, in which # / ? @ % of a password are percent-encoded' }
}

export function hasReadableCredentials({ username, password }: URL): boolean {
  try {
    decodeURIComponent(username + password)
    return true
  } catch {
    return false
  }
}

export function redisUrl(text: string): Reading<Secret> {
  const read = readRedisUrl(text)
  return 'url' in read ? { value: secret(text) } : { expected: read.problem }
}

/** Addresses as a server gives them, and what this machine reaches them by. */
export function redisNatMap(text: string): Reading<Readonly<Record<string, RedisHost>>> {
  const expected = 'pairs such as 10.0.0.1:6379=db.example:7001, separated by commas'
  const pairs = text.split(',').map((pair) => pair.trim().split('='))
  const read = pairs.map(([given = '', reached = '']) => [given.trim(), readRedisHost(reached.trim())] as const)
  const known = read.flatMap(([given, reached]) =>
    reached !== null && /^.+:\d+$/.test(given) ? [[given, reached] as const] : [],
  )
  return known.length < pairs.length ? { expected } : { value: Object.fromEntries(known) }
}

/** The text of a PEM file. */
export function certificates(text: string): Reading<string> {
  const file = path(text)
  if (!('value' in file)) return file
  try {
    const pem = readSmallFile(file.value)
    return pem.includes('-----BEGIN CERTIFICATE-----')
      ? { value: pem }
      : { expected: 'a PEM file with -----BEGIN CERTIFICATE-----' }
  } catch (error) {
    return { expected: `a PEM file of certificates instead of ${foundInstead(error)}` }
  }
}

/** What libpq calls them. `prefer` and `allow`, which may fall back to no encryption without a word, are left out. */
export const SSL_MODES = ['disable', 'require', 'verify-ca', 'verify-full'] as const

/** `postgres://user:password@host:port/database?sslmode=…`, without other parameters. */
export function postgresUrl(text: string): Reading<Secret> {
  const url = parseUrl(text, ['postgres:', 'postgresql:'])
  if (url === null || url.hash !== '' || !/^\/[^/]+$/.test(url.pathname) || url.username === '')
    return {
      expected:
        'postgres://user:password@host:port/database, in which # / ? @ % of a password are percent-encoded (%23 %2F %3F %40 %25)',
    }
  for (const [name, value] of url.searchParams)
    if (name !== 'sslmode' || !SSL_MODES.some((mode) => mode === value))
      return { expected: `no parameter but sslmode=${SSL_MODES.join('|')}` }
  return { value: secret(text) }
}

function parseUrl(text: string, protocols: readonly string[]): URL | null {
  if (!URL.canParse(text) || /\s/.test(text)) return null
  const url = new URL(text)
  return protocols.includes(url.protocol) && url.hostname !== '' ? url : null
}
