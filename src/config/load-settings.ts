import { join, resolve } from 'node:path'
import { isAlwaysActive, systemTimeZone, unnamedZone, type ZonedHours } from '../domain/active-hours.js'
import { didYouMean } from '../domain/did-you-mean.js'
import { ConfigurationError } from '../domain/errors.js'
import { truncate } from '../domain/format.js'
import { contradictions } from './contradictions.js'
import { type Environment, PREFIX } from './env-file.js'
import { type HttpProxy, proxyFor } from './proxy.js'
import { homeDirectory, path, type Reading } from './readers.js'
import type { Secret } from './secret.js'
import {
  SECRET_FILE_NAMES,
  SETTING_NAMES,
  SETTINGS,
  type Setting,
  type SettingName,
  type SettingValue,
  secretFileName,
} from './setting-table.js'
import type { Settings } from './settings.js'
import { foundInstead, readSmallFile } from './small-file.js'

/**
 * Reads the whole configuration at once: every setting, the rules between settings, and misspelt
 * names. All problems are reported together, since each correction costs the operator a restart. An
 * empty value counts as unset. Problems never quote a secret.
 *
 * Throws one `ConfigurationError` that lists all problems. The API key may be missing: see
 * `requireApiKey`.
 */
export function loadSettings(env: Environment): Settings {
  const problems: string[] = unknownNames(env)
  const failed = new Set<SettingName>()
  const problem = (name: SettingName, message: string): void => {
    failed.add(name)
    problems.push(`${name}: ${message}`)
  }

  const optional = <N extends SettingName>(name: N): SettingValue<N> | null => {
    const setting: Setting<SettingValue<N>> = SETTINGS[name]
    const file = setting.isSecret === true ? env[secretFileName(name)] : undefined
    if (file) return fromFile(name, setting, file)
    const text = env[name] || setting.default
    if (text === null) return null
    const result = setting.read(text)
    if ('value' in result) return result.value
    problem(name, `expected ${result.expected}, found ${shown(text, setting)}`)
    return null
  }
  // The default returned after a problem is never used: the problem is thrown below.
  const required = <N extends SettingName>(name: N): SettingValue<N> => optional(name) ?? defaultOf(name)

  const apiUrl = required('TRACKYARD_API_URL')
  const timeZone = optional('TRACKYARD_TIME_ZONE')
  const webhookUrl = optional('TRACKYARD_WEBHOOK_URL')
  const settings: Settings = {
    apiKey: optional('TRACKYARD_API_KEY'),
    apiUrl,
    proxy: proxyTo(apiUrl),
    dataDir: optional('TRACKYARD_DATA_DIR') ?? dataDirByDefault(),
    redisUrl: optional('TRACKYARD_REDIS_URL'),
    redisCa: optional('TRACKYARD_REDIS_CA_FILE'),
    redisNatMap: optional('TRACKYARD_REDIS_NAT_MAP'),
    databaseUrl: optional('TRACKYARD_DATABASE_URL'),
    databaseCa: optional('TRACKYARD_DATABASE_CA_FILE'),
    concurrency: required('TRACKYARD_CONCURRENCY'),
    rateLimit: required('TRACKYARD_RATE_LIMIT'),
    activeHours: zonedHours(timeZone),
    timeZone,
    tz: env.TZ ?? '',
    requestTimeoutMs: required('TRACKYARD_REQUEST_TIMEOUT_MS'),
    maxAttempts: required('TRACKYARD_MAX_ATTEMPTS'),
    backoff: Object.freeze({
      baseMs: required('TRACKYARD_BACKOFF_BASE_MS'),
      maxMs: required('TRACKYARD_BACKOFF_MAX_MS'),
    }),
    creditReserve: required('TRACKYARD_CREDIT_RESERVE'),
    creditCheckMs: required('TRACKYARD_CREDIT_CHECK_MS'),
    autoResumeHours: required('TRACKYARD_AUTO_RESUME_HOURS'),
    confirmAbove: required('TRACKYARD_CONFIRM_ABOVE'),
    lockDurationMs: required('TRACKYARD_LOCK_DURATION_MS'),
    stalledIntervalMs: required('TRACKYARD_STALLED_INTERVAL_MS'),
    shutdownGraceMs: required('TRACKYARD_SHUTDOWN_GRACE_MS'),
    board: Object.freeze({
      host: required('TRACKYARD_BOARD_HOST'),
      port: required('TRACKYARD_BOARD_PORT'),
      path: optional('TRACKYARD_BOARD_PATH') ?? '',
      user: required('TRACKYARD_BOARD_USER'),
      password: optional('TRACKYARD_BOARD_PASSWORD'),
      readOnly: required('TRACKYARD_BOARD_READ_ONLY'),
      url: optional('TRACKYARD_BOARD_URL'),
    }),
    webhookUrl,
    webhookProxy: webhookUrl === null ? null : proxyTo(webhookUrl.reveal()),
    webhookSecret: optional('TRACKYARD_WEBHOOK_SECRET'),
    deadLetterAlertPercent: required('TRACKYARD_DEAD_LETTER_ALERT_PERCENT'),
    logLevel: required('TRACKYARD_LOG_LEVEL'),
  }

  for (const { name, other, message } of contradictions(settings)) {
    if (!failed.has(name) && !failed.has(other)) problem(name, message)
  }
  if (problems.length > 0) throw new ConfigurationError(report(problems))
  return Object.freeze(settings)

  /** The system's zone is asked for only where it counts: the first use of Intl is slow. */
  function zonedHours(zone: string | null): ZonedHours | null {
    const hours = optional('TRACKYARD_ACTIVE_HOURS')
    if (hours === null || isAlwaysActive(hours)) return null
    const known = zone ?? systemTimeZone(env.TZ)
    if (known === null && !failed.has('TRACKYARD_TIME_ZONE')) problem('TRACKYARD_ACTIVE_HOURS', unnamedZone(env.TZ))
    return known === null ? null : { hours, zone: known }
  }

  function dataDirByDefault(): string {
    const dir = defaultDataDir(env)
    if (dir === null && !failed.has('TRACKYARD_DATA_DIR'))
      problem('TRACKYARD_DATA_DIR', 'expected a directory, because this user has no home directory, found none')
    return dir ?? ''
  }

  function proxyTo(address: string): HttpProxy | null {
    const read = proxyFor(new URL(address), env)
    if (read === null || 'url' in read) return read
    const found = `${read.name}: ${read.problem}`
    if (!problems.includes(found)) problems.push(found)
    return null
  }

  function fromFile<T>(name: SettingName, setting: Setting<T>, given: string): T | null {
    const variant = secretFileName(name)
    const file = path(given)
    const read =
      env[name] !== undefined && env[name] !== ''
        ? { problem: `expected this or ${name}, found both` }
        : 'value' in file
          ? readSecretFile(file.value, name, setting.read)
          : { problem: `expected ${file.expected}` }
    if ('value' in read) return read.value
    failed.add(name)
    problems.push(`${variant}: ${read.problem}`)
    return null
  }
}

/** The API key, for a command that calls the API. Throws `ConfigurationError` when none is set. */
export function requireApiKey(settings: Settings): Secret {
  if (settings.apiKey !== null) return settings.apiKey
  throw new ConfigurationError(
    'TRACKYARD_API_KEY: expected an API key, found none. Set it (or TRACKYARD_API_KEY_FILE) in the environment or in .env; to try it without a key, run `trackyard-batch simulate` or `npm run demo`.',
    { code: 'no_api_key' },
  )
}

function defaultOf<N extends SettingName>(name: N): SettingValue<N> {
  const setting: Setting<SettingValue<N>> = SETTINGS[name]
  const result = setting.read(setting.default ?? '')
  if ('value' in result) return result.value
  throw new Error(`The default of ${name} is invalid: expected ${result.expected}.`)
}

function shown(text: string, setting: Setting<unknown>): string {
  if (setting.isSecret === true) return 'something else (not shown)'
  if (setting.isAddress === true) return shownAddress(text)
  // Show only the first line: after a forgotten quotation mark the value contains other settings.
  const [line = '', ...rest] = text.split('\n')
  return JSON.stringify(rest.length === 0 ? truncate(line, 60) : truncate(`${line}…`, 60))
}

/** Without user, password, query and fragment, any of which may contain a key. */
function shownAddress(text: string): string {
  if (!/[@?#\s]/.test(text)) return JSON.stringify(truncate(text, 60))
  if (/\s/.test(text) || !URL.canParse(text) || new URL(text).host === '') return 'something else (not shown)'
  const { protocol, host, username, password, search, hash } = new URL(text)
  const before = username === '' && password === '' ? '' : '…@'
  return JSON.stringify(`${protocol}//${before}${host}${search === '' && hash === '' ? '' : '/…'}`)
}

function defaultDataDir(env: Environment): string | null {
  if (env.XDG_STATE_HOME) return join(resolve(env.XDG_STATE_HOME), 'trackyard-batch')
  const home = env.HOME || homeDirectory()
  return home === null ? null : join(home, '.local', 'state', 'trackyard-batch')
}

function report(problems: readonly string[]): string {
  const next = 'Correct the environment or .env.'
  if (problems.length === 1) return `${problems[0]}${problems[0]?.endsWith('?') ? '' : '.'} ${next}`
  return [`The configuration has ${problems.length} problems:`, ...problems.map((each) => `  - ${each}`), next].join(
    '\n',
  )
}

/**
 * One problem for each unknown name with our prefix: a misspelt setting would otherwise be ignored
 * silently.
 */
function unknownNames(env: Environment): string[] {
  const known = [...SETTING_NAMES, ...SECRET_FILE_NAMES]
  const bare = known.map((name) => name.slice(PREFIX.length))
  return Object.keys(env)
    .filter((name) => name.startsWith(PREFIX) && env[name] && !known.includes(name))
    .map((name) => {
      const near = didYouMean(name.slice(PREFIX.length), bare)
      return near === null
        ? `${name}: expected the name of a setting (\`trackyard-batch --help\` lists them), found an unknown one`
        : `${name}: no such setting; did you mean ${PREFIX}${near}?`
    })
}

/**
 * A secret from a file, as secret mounts provide it. Trailing white space, such as an editor's
 * newline, is removed.
 * @param name of the setting, for messages
 */
export function readSecretFile<T>(
  path: string,
  name: string,
  read: (text: string) => Reading<T>,
): { readonly value: T } | { readonly problem: string } {
  // After a forgotten quotation mark the value contains other settings, perhaps the key.
  if (/\p{Cc}/u.test(path))
    return { problem: 'expected the path of a file on one line, found several lines (not shown)' }
  let text: string
  try {
    text = readSmallFile(path).trimEnd()
  } catch (error) {
    const at = truncate(path, 200)
    return { problem: `expected a file with the value of ${name}, found ${foundInstead(error)} at ${at}` }
  }
  if (text === '') return { problem: `expected a file with the value of ${name}, found an empty one at ${path}` }
  const result = read(text)
  if ('value' in result) return { value: result.value }
  return { problem: `expected ${result.expected} in ${path}, found something else (not shown)` }
}
