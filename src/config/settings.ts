import type { ZonedHours } from '../domain/active-hours.js'
import { type RedisHost, readRedisUrl } from '../domain/redis-url.js'
import type { HttpProxy } from './proxy.js'
import { type Secret, secretsIn } from './secret.js'

/**
 * The validated configuration: read once at startup, frozen, and passed on in parts. The fields
 * correspond to setting-table.ts.
 */
export interface Settings {
  /** Null: no key is set; see `requireApiKey`. */
  readonly apiKey: Secret | null
  /** Canonical, without a trailing slash. */
  readonly apiUrl: string
  /** The proxy for calls to the API, from HTTPS_PROXY, HTTP_PROXY and NO_PROXY. Null: none. */
  readonly proxy: HttpProxy | null
  /** An absolute path. */
  readonly dataDir: string
  /** Null: the private Redis. */
  readonly redisUrl: Secret | null
  /** PEM certificates. Null: those that Node.js trusts. */
  readonly redisCa: string | null
  readonly redisNatMap: Readonly<Record<string, RedisHost>> | null
  /** Null: the store is a SQLite file in the data directory. */
  readonly databaseUrl: Secret | null
  /** PEM certificates. Null: those that Node.js trusts. */
  readonly databaseCa: string | null
  readonly concurrency: number
  /** Calls a minute. */
  readonly rateLimit: number | 'auto'
  /** When calls may start. Null: at any time. */
  readonly activeHours: ZonedHours | null
  /** Null: the system's. */
  readonly timeZone: string | null
  /** The variable TZ, for `systemTimeZone`. Empty: not set. */
  readonly tz: string
  readonly requestTimeoutMs: number
  readonly maxAttempts: number
  readonly backoff: { readonly baseMs: number; readonly maxMs: number }
  readonly creditReserve: number
  readonly creditCheckMs: number
  /** 0: resume only by hand. */
  readonly autoResumeHours: number
  readonly confirmAbove: number
  readonly lockDurationMs: number
  readonly stalledIntervalMs: number
  readonly shutdownGraceMs: number
  readonly board: {
    readonly host: string
    /** 0: any free port. */
    readonly port: number
    /** At which a reverse proxy serves the board, such as `/queues-admin`. Empty: the root. */
    readonly path: string
    readonly user: string
    /** Null only on loopback; see contradictions.ts. */
    readonly password: Secret | null
    /** Refuses every request that would change something, and hides the buttons. */
    readonly readOnly: boolean
    /** Where people reach it, without a trailing slash. Null: not known. */
    readonly url: string | null
  }
  /** With the user and password for HTTP Basic authentication, if it has them. */
  readonly webhookUrl: Secret | null
  /** The proxy for the webhook, from the same variables. Null: none. */
  readonly webhookProxy: HttpProxy | null
  /** Signs notifications. Null: unsigned. */
  readonly webhookSecret: Secret | null
  /** Percent of finished rows that are dead, from which on a batch is notified. */
  readonly deadLetterAlertPercent: number
  readonly logLevel: LogLevel
}

export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent'

/**
 * Every text that must not appear in a log: each `Secret` in the settings. Of the addresses of Redis, of the database
 * and of the proxies only those that have a password; then the password too, also URL-encoded.
 */
export function secretTexts(settings: Settings): string[] {
  const texts = secretsIn(settings).flatMap((secret) => {
    const text = secret.reveal()
    if (secret === settings.redisUrl) return secretsOfRedis(text)
    if (secret === settings.webhookUrl) return secretsOfWebhook(text)
    const { databaseUrl, proxy, webhookProxy } = settings
    return [databaseUrl, proxy?.url, webhookProxy?.url].includes(secret) ? secretsOfAddress(text) : [text]
  })
  return [...new Set(texts)].filter((text) => text !== '')
}

/** The passwords of servers and sentinels, as they are and as the address spells them. */
function secretsOfRedis(address: string): string[] {
  const read = readRedisUrl(address)
  if (!('url' in read)) return []
  const passwords = [read.url.login.password, read.url.sentinelLogin.password].filter((text) => text !== '')
  const spelled = /:([^@/]*)@/.exec(address)?.[1] ?? ''
  return passwords.length === 0 ? [] : [address, spelled, ...passwords, ...passwords.map(encodeURIComponent)]
}

/** An address without a password is no secret, and errors that name it are more useful. */
function secretsOfAddress(address: string): string[] {
  const password = URL.canParse(address) ? new URL(address).password : ''
  return password === '' ? [] : [address, password, decoded(password)]
}

/** The path may be a token, so the address is secret without a password too. */
function secretsOfWebhook(address: string): string[] {
  const { username, password } = new URL(address)
  // Alone, a user name is a token. Beside a password it may be a word that any line contains.
  const token = password === '' ? username : password
  return [address, token, decoded(token)]
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
