import { type Stats, statSync } from 'node:fs'
import { join } from 'node:path'
import { isLoopback } from '../domain/loopback.js'
import { hostsText, readRedisUrl } from '../domain/redis-url.js'
import { type Environment, readEnvFile } from './env-file.js'
import { path } from './readers.js'
import { SECRET_FILE_NAMES, SECRET_NAMES } from './setting-table.js'
import type { Settings } from './settings.js'

/**
 * Configurations that work but expose something: files that other users can read or write, and a
 * key or an answer that crosses a network unencrypted. Logged once at startup. Each message ends
 * with the fix.
 */
export function exposures(settings: Settings, from: { readonly env: Environment; readonly cwd: string }): string[] {
  const envFile = join(from.cwd, '.env')
  const values = readEnvFile(envFile)
  return [
    ...exposedEnvFile(envFile, values),
    ...SECRET_FILE_NAMES.flatMap((name) => exposedSecretFile(from.env[name] ?? values[name])),
    ...exposedDataDir(settings.dataDir),
    ...exposedApi(settings.apiUrl),
    ...exposedRedis(settings.redisUrl?.reveal() ?? null),
    ...exposedDatabase(settings.databaseUrl?.reveal() ?? null),
  ]
}

const OTHERS_READ = 0o004
const GROUP_WRITES = 0o020
const OTHERS_WRITE = 0o002

function exposedEnvFile(path: string, values: Environment): string[] {
  const stats = statsOf(path)
  if (stats === null || !isOpen(stats, OTHERS_READ) || !SECRET_NAMES.some((name) => values[name])) return []
  return [`${path} contains secrets and can be read by every user of this machine. Run: ${forbidding(stats, path)}`]
}

/** Containers mount their secrets here, and no other user is in the container. */
const CONTAINER_SECRETS = '/run/secrets/'

function exposedSecretFile(given: string | undefined): string[] {
  const read = path(given ?? '')
  if (!given || !('value' in read)) return []
  const file = read.value
  const stats = statsOf(file)
  if (stats === null || !isOpen(stats, OTHERS_READ) || file.startsWith(CONTAINER_SECRETS)) return []
  return [`The secret file ${file} can be read by every user of this machine. Run: ${forbidding(stats, file)}`]
}

function exposedDataDir(dir: string): string[] {
  const stats = statsOf(dir)
  if (stats === null || !isOpen(stats, GROUP_WRITES | OTHERS_WRITE)) return []
  const who = isOpen(stats, OTHERS_WRITE) ? 'every user of this machine' : 'every member of its group'
  return [
    `The data directory ${dir} can be written by ${who}, who can replace the store. Run: chmod go-w ${quoted(dir)}`,
  ]
}

function exposedApi(address: string): string[] {
  const { protocol, host, hostname } = new URL(address)
  if (protocol === 'https:' || isLoopback(hostname)) return []
  return [`The API key goes to ${host} unencrypted. Set TRACKYARD_API_URL to an https:// address.`]
}

/**
 * A name without a dot resolves only on a private network, such as a compose network. TLS is not
 * required there.
 */
function exposedRedis(address: string | null): string[] {
  const read = readRedisUrl(address ?? '')
  if (!('url' in read)) return []
  const { kind, tls, hosts, login, primary } = read.url
  const remote = hosts.filter(({ host }) => !isLoopback(host))
  if (remote.length === 0) return []
  const isPrivateName = remote.every(({ host }) => /^[\w-]+$/.test(host))
  const missing = [
    ...(tls || isPrivateName ? [] : ['unencrypted']),
    ...(login.password === '' ? ['without a password'] : []),
  ]
  if (missing.length === 0) return []
  const scheme = `${tls || !isPrivateName ? 'rediss' : 'redis'}${kind === 'single' ? '' : `+${kind}`}`
  const places = hostsText(hosts)
  return [
    `Redis at ${places} is reached over the network ${missing.join(' and ')}. Set TRACKYARD_REDIS_URL to ${scheme}://:PASSWORD@${places}${primary === '' ? '' : `/${primary}`}.`,
  ]
}

/** As with Redis, a name without a dot resolves only on a private network. */
function exposedDatabase(address: string | null): string[] {
  if (address === null || !URL.canParse(address)) return []
  const { host, hostname, searchParams } = new URL(address)
  const mode = searchParams.get('sslmode')
  if (isLoopback(hostname) || /^[\w-]+$/.test(hostname) || mode === 'verify-full' || mode === 'verify-ca') return []
  const how = mode === 'require' ? 'without checking its certificate' : 'unencrypted'
  return [
    `PostgreSQL at ${host} is reached over the network ${how}. Add ?sslmode=verify-full to TRACKYARD_DATABASE_URL (and TRACKYARD_DATABASE_CA_FILE for a private authority).`,
  ]
}

/** Null: no such file, or the system has no such permissions. */
function statsOf(path: string): Stats | null {
  if (process.platform === 'win32') return null
  try {
    return statSync(path)
  } catch {
    // The code that opens the file reports what is wrong with it.
    return null
  }
}

function isOpen({ mode }: Stats, bits: number): boolean {
  return (mode & bits) !== 0
}

/** `chmod 600` would lock out a user who is not the owner of the file. */
function forbidding({ uid }: Stats, path: string): string {
  return uid === process.geteuid?.() ? `chmod 600 ${quoted(path)}` : `chmod o-r ${quoted(path)}`
}

function quoted(path: string): string {
  return /^[\w./@%+=:,-]+$/.test(path) ? path : `'${path.replaceAll("'", `'\\''`)}'`
}
