import type { ApiProxy } from './proxy.js'
import type { Secret } from './secret.js'

/** What the program runs with: read once at start, validated, frozen, and passed on in parts. Field by field as in setting-table.ts. */
export interface Settings {
  /** Null: none given; see `requireApiKey`. */
  readonly apiKey: Secret | null
  /** Canonical, without a slash at its end. */
  readonly apiUrl: string
  /** What calls to the API go through; null: nothing. From HTTPS_PROXY, HTTP_PROXY and NO_PROXY. */
  readonly proxy: ApiProxy | null
  /** Absolute. */
  readonly dataDir: string
  /** Null: the private Redis. */
  readonly redisUrl: Secret | null
  readonly concurrency: number
  /** Calls a minute. */
  readonly rateLimit: number | 'auto'
  readonly requestTimeoutMs: number
  readonly maxAttempts: number
  readonly backoff: { readonly baseMs: number; readonly maxMs: number }
  readonly creditReserve: number
  readonly creditCheckMs: number
  /** 0: only by hand. */
  readonly autoResumeHours: number
  readonly confirmAbove: number
  readonly lockDurationMs: number
  readonly stalledIntervalMs: number
  readonly shutdownGraceMs: number
  readonly board: {
    readonly host: string
    readonly port: number
    /** Empty: the root. */
    readonly path: string
    readonly user: string
    /** Null only on loopback. */
    readonly password: Secret | null
    readonly readOnly: boolean
  }
  readonly webhookUrl: Secret | null
  readonly logLevel: LogLevel
}

export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent'

/** Every text that must not appear in a log: the key, the passwords (also as they stand in an address), the webhook's address. */
export function secretTexts(settings: Settings): string[] {
  const held = [settings.apiKey, settings.board.password, settings.webhookUrl].map((secret) => secret?.reveal() ?? '')
  const addresses = [settings.redisUrl, settings.proxy?.url].map((secret) => secret?.reveal() ?? '')
  return [...new Set([...held, ...addresses.flatMap(secretsOfAddress)])].filter((text) => text !== '')
}

/** Without a password in it, an address is no secret, and an error that names it is worth more. */
function secretsOfAddress(address: string): string[] {
  const password = URL.canParse(address) ? new URL(address).password : ''
  return password === '' ? [] : [address, password, decoded(password)]
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
