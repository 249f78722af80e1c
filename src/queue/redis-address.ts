import { isIP } from 'node:net'
import type { ClusterOptions } from 'ioredis'
import { ConfigurationError } from '../domain/errors.js'
import { hostsText, type RedisHost, type RedisLogin, type RedisUrl, readRedisUrl } from '../domain/redis-url.js'

/** Where Redis is: the setting, or the private one's socket. */
export type RedisAddress = RedisUrlAddress | { readonly socketPath: string }

export interface RedisUrlAddress {
  readonly url: string
  /** PEM certificates that sign the server's, instead of those that Node.js knows. */
  readonly ca?: string | null
  /** Addresses that the nodes or sentinels give, and what this machine reaches them by. */
  readonly natMap?: NatMap | null
}

export type NatMap = Readonly<Record<string, RedisHost>>

/** The address in the form that ioredis and BullMQ read. Missing parts are left out: BullMQ takes undefined for a value. */
export type RedisConnectionOptions =
  | { readonly kind: 'server'; readonly options: ServerOptions }
  | {
      readonly kind: 'cluster'
      readonly nodes: RedisHost[]
      /** For each node. */
      readonly options: NodeOptions
      readonly cluster: Pick<ClusterOptions, 'dnsLookup'> & { readonly natMap?: Record<string, RedisHost> }
    }

interface NodeOptions {
  readonly username?: string
  readonly password?: string
  readonly tls?: Tls
}

interface ServerOptions extends NodeOptions {
  readonly host?: string
  readonly port?: number
  readonly path?: string
  readonly db?: number
  readonly sentinels?: RedisHost[]
  /** What the sentinels call their primary. */
  readonly name?: string
  readonly sentinelUsername?: string
  readonly sentinelPassword?: string
  readonly sentinelTLS?: Tls
  readonly enableTLSForSentinelMode?: true
  readonly failoverDetector?: true
  readonly natMap?: Record<string, RedisHost>
}

interface Tls {
  readonly ca?: string
  readonly servername?: string
}

/** @throws ConfigurationError for an invalid address, without its text: that may hold a password */
export function connectionOptionsOf(address: RedisAddress): RedisConnectionOptions {
  if ('socketPath' in address) return { kind: 'server', options: { path: address.socketPath } }
  const url = parse(address.url)
  const tls = tlsOf(url, address.ca ?? null)
  const natMap = address.natMap === undefined || address.natMap === null ? {} : { natMap: { ...address.natMap } }
  const options = { ...loginOptions(url.login), ...(tls === null ? {} : { tls }) }
  const db = url.db === null ? {} : { db: url.db }
  switch (url.kind) {
    case 'socket':
      return { kind: 'server', options: { ...options, ...db, path: url.path } }
    case 'single':
      return { kind: 'server', options: { ...options, ...db, ...url.hosts[0] } }
    case 'sentinel':
      return { kind: 'server', options: { ...options, ...db, ...natMap, ...sentinelOptions(url, tls) } }
    case 'cluster': {
      // Without this, ioredis would connect to the IP address, and the certificate of a node could not be checked.
      const byName = tls === null ? {} : { dnsLookup: passName }
      return { kind: 'cluster', nodes: [...url.hosts], options, cluster: { ...natMap, ...byName } }
    }
    default:
      return url.kind satisfies never
  }
}

/** TLS takes no IP address as server name. The nodes of a cluster and a sentinel's primary have names of their own. */
function tlsOf({ tls, kind, hosts }: RedisUrl, ca: string | null): Tls | null {
  if (!tls) return null
  const host = hosts[0]?.host ?? ''
  return { ...(ca === null ? {} : { ca }), ...(kind === 'single' && isIP(host) === 0 ? { servername: host } : {}) }
}

function sentinelOptions({ hosts, primary, sentinelLogin }: RedisUrl, tls: Tls | null): ServerOptions {
  const { username, password } = sentinelLogin
  return {
    sentinels: [...hosts],
    name: primary,
    ...(username === '' ? {} : { sentinelUsername: username }),
    ...(password === '' ? {} : { sentinelPassword: password }),
    ...(tls === null ? {} : { sentinelTLS: tls, enableTLSForSentinelMode: true }),
    // The sentinels say when another server is the primary, also while the connection to a frozen one stays open.
    failoverDetector: true,
  }
}

function loginOptions({ username, password }: RedisLogin): NodeOptions {
  return { ...(username === '' ? {} : { username }), ...(password === '' ? {} : { password }) }
}

function passName(name: string, callback: (error: null, address: string) => void): void {
  callback(null, name)
}

/** For messages and logs, without the password. A user without a password is hidden too: it may be a password with its colon forgotten. */
export function describeAddress(address: RedisAddress): string {
  if ('socketPath' in address) return `Private Redis at ${address.socketPath}`
  const { kind, tls, hosts, path, primary, login, db } = parse(address.url)
  const user = login.password === '' || login.username === '' ? '' : `${login.username}@`
  const scheme = tls ? 'rediss' : 'redis'
  const places = hostsText(hosts)
  switch (kind) {
    case 'socket':
      return `Redis at unix://${user}${path}`
    case 'single':
      return `Redis at ${scheme}://${user}${places}${db === null ? '' : `/${db}`}`
    case 'cluster':
      return `Redis at ${scheme}+cluster://${user}${places}`
    case 'sentinel':
      return `Redis at ${scheme}+sentinel://${user}${places}/${primary}`
    default:
      return kind satisfies never
  }
}

function parse(text: string): RedisUrl {
  const read = readRedisUrl(text)
  if ('url' in read) return read.url
  throw new ConfigurationError(`The Redis URL cannot be used: expected ${read.problem}. Correct TRACKYARD_REDIS_URL.`)
}
