import {
  activeHours,
  certificates,
  decimalNumber,
  httpUrl,
  oneOf,
  path,
  postgresUrl,
  type Reader,
  redisNatMap,
  redisUrl,
  secretHttpUrl,
  secretLike,
  textLike,
  timeZone,
  urlPath,
  wholeNumber,
  wholeNumberOr,
  yesOrNo,
} from './readers.js'
import type { Secret } from './secret.js'

/**
 * Every setting: its default as the user would write it, its meaning in one line, and its reader.
 * The rest of the program gets `Settings` and uses these names only in messages.
 */

export interface Setting<T> {
  /** Read like a value from the environment. Null: no default. */
  readonly default: string | null
  /** Shown in documents instead of the default's text, where that text does not explain itself. */
  readonly shownDefault?: string
  readonly meaning: string
  /** Messages show the address without the parts that may be secret. */
  readonly isAddress?: boolean
  /** Messages never show the value. */
  readonly isSecret?: boolean
  readonly read: Reader<T>
}

/** Visible ASCII, which an HTTP header allows, without quotation marks left over from a shell. */
const KEY: Reader<Secret> = secretLike(/^[!#-&(-_a-~]+$/, 'a key without white space and quotes')
const DAY_MS = 86_400_000
const MANY = 1_000_000_000

function table<T extends Record<string, Setting<unknown>>>(settings: T): T {
  return settings
}

const SETTING_TABLE = table({
  TRACKYARD_API_KEY: {
    default: null,
    shownDefault: 'none; required to call the real API',
    meaning: 'the API key',
    isSecret: true,
    read: KEY,
  },
  TRACKYARD_API_URL: {
    default: 'https://api.trackyard.com/api/external/v1',
    meaning: 'where the API is',
    isAddress: true,
    read: httpUrl(),
  },
  TRACKYARD_DATA_DIR: {
    default: null,
    shownDefault: '$XDG_STATE_HOME/trackyard-batch or ~/.local/state/trackyard-batch',
    meaning: 'where the store and the private Redis live',
    read: path(),
  },
  TRACKYARD_REDIS_URL: {
    default: null,
    shownDefault: 'a private Redis in the data directory',
    meaning: 'a Redis of your own: one server, a cluster, or the sentinels of one',
    isSecret: true,
    read: redisUrl(),
  },
  TRACKYARD_REDIS_CA_FILE: {
    default: null,
    shownDefault: 'the certificates that Node.js trusts',
    meaning: "a PEM file with the certificate of the CA that signed your Redis's",
    read: certificates(),
  },
  TRACKYARD_REDIS_NAT_MAP: {
    default: null,
    shownDefault: 'none',
    meaning: 'addresses to use in place of those that nodes announce: 10.0.0.1:6379=db.example:7001,…',
    read: redisNatMap(),
  },
  TRACKYARD_DATABASE_URL: {
    default: null,
    shownDefault: 'a SQLite file in the data directory',
    meaning:
      'PostgreSQL as the store, for several machines: postgres://user:password@host/database?sslmode=verify-full',
    isSecret: true,
    read: postgresUrl(),
  },
  TRACKYARD_DATABASE_CA_FILE: {
    default: null,
    shownDefault: 'the certificates that Node.js trusts',
    meaning:
      "a PEM file with the certificate of the CA that signed PostgreSQL's, for sslmode=verify-ca and verify-full",
    read: certificates(),
  },
  TRACKYARD_CONCURRENCY: { default: '10', meaning: 'calls at a time in one worker', read: wholeNumber(1, 1000) },
  TRACKYARD_RATE_LIMIT: {
    default: 'auto',
    meaning: 'calls a minute for all workers together, the same in every worker; auto learns it from the API',
    read: wholeNumberOr('auto', 1, 100_000),
  },
  TRACKYARD_ACTIVE_HOURS: {
    default: null,
    shownDefault: 'always',
    meaning: 'when calls may start, the same in every worker: `22:00-06:00`, or `Mon-Fri 20:00-07:00, Sat-Sun`',
    read: activeHours(),
  },
  TRACKYARD_TIME_ZONE: {
    default: null,
    shownDefault: "the system's",
    meaning: 'the zone of the active hours and of every time that is shown, such as `Europe/Berlin`',
    read: timeZone(),
  },
  TRACKYARD_REQUEST_TIMEOUT_MS: {
    default: '20000',
    meaning: 'the longest that one call may take, headers and body',
    read: wholeNumber(50, 600_000),
  },
  TRACKYARD_MAX_ATTEMPTS: {
    default: '8',
    meaning: 'failed attempts until a search is a dead letter',
    read: wholeNumber(1, 100),
  },
  TRACKYARD_BACKOFF_BASE_MS: {
    default: '5000',
    meaning: 'the first wait after a failed attempt; it doubles each time',
    read: wholeNumber(1, DAY_MS),
  },
  TRACKYARD_BACKOFF_MAX_MS: {
    default: '600000',
    meaning: 'the longest wait after a failed attempt',
    read: wholeNumber(1, DAY_MS),
  },
  TRACKYARD_CREDIT_RESERVE: {
    default: '0',
    meaning: 'pause when only this many credits are left',
    read: wholeNumber(0, MANY),
  },
  TRACKYARD_CREDIT_CHECK_MS: {
    default: '60000',
    meaning: 'the wait between two checks of the balance while credits are gone; grows to 15 minutes',
    read: wholeNumber(50, DAY_MS),
  },
  TRACKYARD_AUTO_RESUME_HOURS: {
    default: '24',
    meaning: 'for how many hours after the credits ran out a top-up resumes the work by itself; 0: never',
    read: decimalNumber(0, 8760),
  },
  TRACKYARD_CONFIRM_ABOVE: {
    default: '100',
    meaning: 'credits above which submit and release ask first',
    read: wholeNumber(0, MANY),
  },
  TRACKYARD_LOCK_DURATION_MS: {
    default: '25000',
    meaning: 'after how long a dead worker loses its searches to another',
    read: wholeNumber(1000, 3_600_000),
  },
  TRACKYARD_STALLED_INTERVAL_MS: {
    default: '5000',
    meaning: 'how often workers look for searches of dead workers',
    read: wholeNumber(50, 3_600_000),
  },
  TRACKYARD_SHUTDOWN_GRACE_MS: {
    default: '25000',
    meaning: 'how long a stopping worker waits for its calls in flight',
    read: wholeNumber(0, 3_600_000),
  },
  TRACKYARD_BOARD_HOST: {
    default: '127.0.0.1',
    meaning: 'the address that the board listens at',
    read: textLike(/^[\w.:-]+$/, 'a host name or an address'),
  },
  TRACKYARD_BOARD_PORT: { default: '3210', meaning: "the board's port; 0: any free one", read: wholeNumber(0, 65_535) },
  TRACKYARD_BOARD_PATH: {
    default: null,
    meaning: 'the path at which a reverse proxy shows the board, such as /queues-admin',
    read: urlPath('queues', 'metrics', 'healthz', 'readyz'),
  },
  TRACKYARD_BOARD_USER: {
    default: 'trackyard',
    meaning: "the board's user, where a password is set",
    read: textLike(/^[^:\p{Cc}]+$/u, 'a name without a colon'),
  },
  TRACKYARD_BOARD_PASSWORD: {
    default: null,
    shownDefault: 'none; required off loopback, with 12 characters or more',
    meaning: "the board's password",
    isSecret: true,
    read: secretLike(/^\P{Cc}+$/u, 'a text without control characters'),
  },
  TRACKYARD_BOARD_READ_ONLY: {
    default: 'false',
    meaning: 'the board only shows, and changes nothing',
    read: yesOrNo(),
  },
  TRACKYARD_BOARD_URL: {
    default: null,
    meaning: 'where people reach the board, for links in notifications, such as https://batch.example.com',
    isAddress: true,
    read: httpUrl(),
  },
  TRACKYARD_WEBHOOK_URL: {
    default: null,
    meaning: 'gets a notification of every pause, release, end, … (docs/reference/notifications.md)',
    isSecret: true,
    read: secretHttpUrl(),
  },
  TRACKYARD_WEBHOOK_SECRET: {
    default: null,
    meaning: 'signs each notification, so that its receiver can verify it',
    isSecret: true,
    read: secretLike(/^\P{Cc}+$/u, 'a text without control characters'),
  },
  TRACKYARD_DEAD_LETTER_ALERT_PERCENT: {
    default: '5',
    meaning: "send a notification when this percentage of a batch's finished rows is dead (at least 10 rows)",
    read: wholeNumber(1, 100),
  },
  TRACKYARD_LOG_LEVEL: {
    default: 'info',
    meaning: 'debug, info, warn, error or silent; an error that ends a process is always logged',
    read: oneOf('debug', 'info', 'warn', 'error', 'silent'),
  },
})

export type SettingName = keyof typeof SETTING_TABLE
export const SETTING_NAMES = Object.keys(SETTING_TABLE) as readonly SettingName[]

export type SettingValue<N extends SettingName> = (typeof SETTING_TABLE)[N] extends Setting<infer Value> ? Value : never
/** The same table, typed so that a name gives the type of its value. */
export const SETTINGS: { readonly [N in SettingName]: Setting<SettingValue<N>> } = SETTING_TABLE

export const SECRET_NAMES: readonly SettingName[] = SETTING_NAMES.filter((name) => {
  const setting: Setting<unknown> = SETTINGS[name]
  return setting.isSecret === true
})

/** A secret may be in a file instead, as container secrets are. */
export function secretFileName(name: SettingName): string {
  return `${name}_FILE`
}

export const SECRET_FILE_NAMES: readonly string[] = SECRET_NAMES.map(secretFileName)

/** What docs/reference/settings.md documents, and `.env.example` by name and default. A test compares them. */
export interface DocumentedSetting {
  readonly name: SettingName
  readonly default: string
  readonly meaning: string
}

export function documentedSettings(): DocumentedSetting[] {
  return SETTING_NAMES.map((name) => {
    const setting: Setting<unknown> = SETTINGS[name]
    return { name, default: setting.shownDefault ?? setting.default ?? 'none', meaning: setting.meaning }
  })
}
