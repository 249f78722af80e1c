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
 * Every setting: its default as the user would write it, and its reader. docs/reference/settings.md has what each
 * means. The rest of the program gets `Settings` and uses these names only in messages.
 */

export interface Setting<T> {
  /** Read like a value from the environment. Null: no default. */
  readonly default: string | null
  /** Messages show the address without the parts that may be secret. */
  readonly isAddress?: boolean
  /** Messages never show the value. */
  readonly isSecret?: boolean
  readonly read: Reader<T>
}

/** Visible ASCII, which an HTTP header allows, without quotation marks left over from a shell. */
const KEY: Reader<Secret> = secretLike(/^[!#-&(-_a-~]+$/, 'a key without white space and quotes')
const SECRET_TEXT: Reader<Secret> = secretLike(/^\P{Cc}+$/u, 'a text without control characters')
const DAY_MS = 86_400_000
const MANY = 1_000_000_000

const SETTING_TABLE = {
  TRACKYARD_API_KEY: { default: null, isSecret: true, read: KEY },
  TRACKYARD_API_URL: { default: 'https://api.trackyard.com/api/external/v1', isAddress: true, read: httpUrl },
  TRACKYARD_DATA_DIR: { default: null, read: path },
  TRACKYARD_REDIS_URL: { default: null, isSecret: true, read: redisUrl },
  TRACKYARD_REDIS_CA_FILE: { default: null, read: certificates },
  TRACKYARD_REDIS_NAT_MAP: { default: null, read: redisNatMap },
  TRACKYARD_DATABASE_URL: { default: null, isSecret: true, read: postgresUrl },
  TRACKYARD_DATABASE_CA_FILE: { default: null, read: certificates },
  TRACKYARD_CONCURRENCY: { default: '10', read: wholeNumber(1, 1000) },
  TRACKYARD_RATE_LIMIT: { default: 'auto', read: wholeNumberOr('auto', 1, 100_000) },
  TRACKYARD_ACTIVE_HOURS: { default: null, read: activeHours },
  TRACKYARD_TIME_ZONE: { default: null, read: timeZone },
  TRACKYARD_REQUEST_TIMEOUT_MS: { default: '20000', read: wholeNumber(50, 600_000) },
  TRACKYARD_MAX_ATTEMPTS: { default: '8', read: wholeNumber(1, 100) },
  TRACKYARD_BACKOFF_BASE_MS: { default: '5000', read: wholeNumber(1, DAY_MS) },
  TRACKYARD_BACKOFF_MAX_MS: { default: '600000', read: wholeNumber(1, DAY_MS) },
  TRACKYARD_CREDIT_RESERVE: { default: '0', read: wholeNumber(0, MANY) },
  TRACKYARD_CREDIT_CHECK_MS: { default: '60000', read: wholeNumber(50, DAY_MS) },
  TRACKYARD_AUTO_RESUME_HOURS: { default: '24', read: decimalNumber(0, 8760) },
  TRACKYARD_CONFIRM_ABOVE: { default: '100', read: wholeNumber(0, MANY) },
  TRACKYARD_LOCK_DURATION_MS: { default: '25000', read: wholeNumber(1000, 3_600_000) },
  TRACKYARD_STALLED_INTERVAL_MS: { default: '5000', read: wholeNumber(50, 3_600_000) },
  TRACKYARD_SHUTDOWN_GRACE_MS: { default: '25000', read: wholeNumber(0, 3_600_000) },
  TRACKYARD_BOARD_HOST: { default: '127.0.0.1', read: textLike(/^[\w.:-]+$/, 'a host name or an address') },
  TRACKYARD_BOARD_PORT: { default: '3210', read: wholeNumber(0, 65_535) },
  TRACKYARD_BOARD_PATH: { default: null, read: urlPath('queues', 'metrics', 'healthz', 'readyz') },
  TRACKYARD_BOARD_USER: { default: 'trackyard', read: textLike(/^[^:\p{Cc}]+$/u, 'a name without a colon') },
  TRACKYARD_BOARD_PASSWORD: { default: null, isSecret: true, read: SECRET_TEXT },
  TRACKYARD_BOARD_READ_ONLY: { default: 'false', read: yesOrNo },
  TRACKYARD_BOARD_URL: { default: null, isAddress: true, read: httpUrl },
  TRACKYARD_WEBHOOK_URL: { default: null, isSecret: true, read: secretHttpUrl },
  TRACKYARD_WEBHOOK_SECRET: { default: null, isSecret: true, read: SECRET_TEXT },
  TRACKYARD_DEAD_LETTER_ALERT_PERCENT: { default: '5', read: wholeNumber(1, 100) },
  TRACKYARD_LOG_LEVEL: { default: 'info', read: oneOf('debug', 'info', 'warn', 'error', 'silent') },
} satisfies Record<string, Setting<unknown>>

export type SettingName = keyof typeof SETTING_TABLE
export const SETTING_NAMES = Object.keys(SETTING_TABLE) as readonly SettingName[]

export type SettingValue<N extends SettingName> = (typeof SETTING_TABLE)[N] extends Setting<infer Value> ? Value : never
/** The same table, typed so that a name gives the type of its value. */
export const SETTINGS: { readonly [N in SettingName]: Setting<SettingValue<N>> } = SETTING_TABLE

export const SECRET_NAMES: readonly SettingName[] = SETTING_NAMES.filter((name) => SETTINGS[name].isSecret === true)

/** A secret may be in a file instead, as container secrets are. */
export function secretFileName(name: SettingName): string {
  return `${name}_FILE`
}

export const SECRET_FILE_NAMES: readonly string[] = SECRET_NAMES.map(secretFileName)
