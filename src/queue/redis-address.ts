import { isIP } from 'node:net'
import type { ClusterOptions, RedisOptions } from 'ioredis'
import { ConfigurationError } from '../domain/errors.js'
import { hostsText, type RedisHost, type RedisUrl, readRedisUrl } from '../domain/redis-url.js'
import { SteadySentinelConnector } from './sentinel-connector.js'

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

/** The constructors of ioredis have a type of their own for `replyMapping`. */
type Options = Omit<RedisOptions, 'replyMapping'>

/** The address in the form that ioredis reads. */
type ConnectionOptions =
  | { readonly kind: 'server'; readonly options: Options }
  | {
      readonly kind: 'cluster'
      readonly nodes: RedisHost[]
      /** For each node. */
      readonly options: Options
      readonly cluster: Pick<ClusterOptions, 'dnsLookup' | 'natMap'>
    }

/** @throws ConfigurationError for an invalid address, without its text: that may hold a password */
export function connectionOptionsOf(address: RedisAddress): ConnectionOptions {
  if ('socketPath' in address) return { kind: 'server', options: { path: address.socketPath } }
  const url = parse(address.url)
  const tls = tlsOf(url, address.ca ?? undefined)
  const natMap = address.natMap ?? undefined
  const { username, password } = url.login
  const options = { username: username || undefined, password: password || undefined, tls }
  const db = url.db ?? undefined
  switch (url.kind) {
    case 'socket':
      return { kind: 'server', options: { ...options, db, path: url.path } }
    case 'single':
      return { kind: 'server', options: { ...options, db, ...url.hosts[0] } }
    case 'sentinel':
      return { kind: 'server', options: { ...options, db, natMap, ...sentinelOptions(url, tls) } }
    case 'cluster': {
      // Without this, ioredis would connect to the IP address, and the certificate of a node could not be checked.
      const dnsLookup = tls === undefined ? undefined : passName
      return { kind: 'cluster', nodes: [...url.hosts], options, cluster: { natMap, dnsLookup } }
    }
    default:
      return url.kind satisfies never
  }
}

/** TLS takes no IP address as server name. The nodes of a cluster and a sentinel's primary have names of their own. */
function tlsOf({ tls, kind, hosts }: RedisUrl, ca: string | undefined): Options['tls'] {
  if (!tls) return undefined
  const host = hosts[0]?.host ?? ''
  return { ca, ...(kind === 'single' && isIP(host) === 0 ? { servername: host } : {}) }
}

function sentinelOptions({ hosts, primary, sentinelLogin }: RedisUrl, tls: Options['tls']): Options {
  return {
    sentinels: [...hosts],
    name: primary,
    sentinelUsername: sentinelLogin.username || undefined,
    sentinelPassword: sentinelLogin.password || undefined,
    sentinelTLS: tls,
    enableTLSForSentinelMode: tls !== undefined,
    // The sentinels say when another server is the primary, also while the connection to a frozen one stays open.
    failoverDetector: true,
    Connector: SteadySentinelConnector,
  }
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
