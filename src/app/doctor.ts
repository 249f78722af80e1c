import { existsSync } from 'node:fs'
import { access, constants, statfs } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { MeResult } from '../api/classify.js'
import { type Environment, mergeEnvironment, readEnvironment } from '../config/env-file.js'
import { exposures } from '../config/exposures.js'
import { loadSettings } from '../config/load-settings.js'
import type { Settings } from '../config/settings.js'
import { requireCompatibleApi } from '../control/same-api.js'
import { type AdjustableClock, adjustableClock, type Clock } from '../domain/clock.js'
import { ReportedError, splitHint } from '../domain/errors.js'
import { formatDuration, formatNumber, formatTime, pluralize } from '../domain/format.js'
import { silentLogger } from '../domain/logger.js'
import { LATE_NOTIFICATION_MS, NOTIFICATION_LIFETIME_MS } from '../domain/notification.js'
import { installedVersion, notInstalled } from '../queue/private-redis/redis-server.js'
import { readDatabaseUrl } from '../store/postgres/address.js'
import { checkStore } from '../store/sqlite/check-store.js'
import type { Store } from '../store/store.js'
import { type Cleanup, withCleanup } from './cleanup.js'
import { openConfiguredApi, openConfiguredStore, openRunningQueue, storePath } from './parts.js'
import { requireOwnRedisInTime, withAnswerTimeout } from './session.js'

/** One thing that can go wrong, whether it does, and what to do about it. */
export interface Check {
  readonly name: string
  readonly state: 'ok' | 'warning' | 'failed'
  readonly found: string
  /** Null if there is nothing to do. */
  readonly remedy: string | null
}

/** The lowest minor version of each major one, as in package.json. */
const SUPPORTED_NODE: Readonly<Record<string, number>> = { 20: 20, 22: 13, 24: 0, 26: 0 }

export function isSupportedNode(nodeVersion: string): boolean {
  const [major = '', minor = ''] = nodeVersion.split('.')
  return Number(minor) >= (SUPPORTED_NODE[major] ?? Number.POSITIVE_INFINITY)
}

const GB = 1e9
const LEAST_FREE = 0.1 * GB
const ENOUGH_FREE = 2 * GB
const STORE_PATIENCE_MS = 5000
/** A Date header has whole seconds, and was written before it travelled. */
const CLOCK_MAY_DIFFER_MS = 10_000

/**
 * Checks everything that a night needs. It makes no directory, no file and no Redis; a store of an earlier version is
 * migrated, and a database in PostgreSQL gets its tables, as by any command.
 */
export async function* runChecks(from: { readonly env: Environment; readonly cwd: string }): AsyncGenerator<Check> {
  yield isSupportedNode(process.versions.node)
    ? ok('Node', process.version)
    : failed('Node', process.version, 'Install Node 20.20, 22.13, 24 or 26.')
  let settings: Settings
  try {
    settings = loadSettings(readEnvironment(from))
  } catch (error) {
    yield explained('settings', error)
    return
  }
  yield ok('settings', 'valid')
  for (const exposed of exposures(settings, from)) yield warning('files', ...sentences(exposed))
  yield* directoryChecks(settings)
  yield* await withCleanup(async (cleanup) => {
    const clock = adjustableClock()
    const store = await storeCheck(settings, clock, cleanup)
    const redis = await redisChecks(settings, store.opened, clock, cleanup)
    const notifications = await notificationCheck(settings, store.opened, clock)
    const api = await apiChecks(settings, store.opened, cleanup)
    return [store.check, ...redis, notifications, ...api]
  })
}

/**
 * Whether the API accepts the key of a `.env` that is not written yet. The environment wins over it.
 * @throws ConfigurationError for values that cannot work
 */
export async function checkKey(
  envFile: { readonly text: string; readonly path: string },
  env: Environment,
): Promise<MeResult | { readonly kind: 'none' }> {
  const settings = loadSettings(mergeEnvironment(envFile.text, envFile.path, env))
  if (settings.apiKey === null) return { kind: 'none' }
  return withCleanup(async (cleanup) => (await openConfiguredApi(settings, cleanup)).me())
}

async function* directoryChecks({ dataDir }: Settings): AsyncGenerator<Check> {
  let existing = dataDir
  while (!existsSync(existing) && existing !== dirname(existing)) existing = dirname(existing)
  try {
    await access(existing, constants.W_OK | constants.X_OK)
    yield ok('data directory', existing === dataDir ? dataDir : `${dataDir}, not created yet`)
  } catch {
    yield failed(
      'data directory',
      `${existing} cannot be written by this user`,
      `Change its owner or its permissions, or point TRACKYARD_DATA_DIR elsewhere.`,
    )
    return
  }
  const { bavail, bsize } = await statfs(existing)
  const free = bavail * bsize
  const found = `${(free / GB).toFixed(1)} GB free`
  if (free < LEAST_FREE) yield failed('disk', found, `Free some space on the disk of ${existing}.`)
  else if (free < ENOUGH_FREE) yield warning('disk', found, 'A million answers take about 3 GB. Free some space.')
  else yield ok('disk', found)
}

async function storeCheck(
  settings: Settings,
  clock: AdjustableClock,
  cleanup: Cleanup,
): Promise<{ readonly check: Check; readonly opened: Store | null }> {
  const path = storePath(settings)
  try {
    const { databaseUrl } = settings
    if (databaseUrl === null && !existsSync(path) && !existsSync(`${settings.dataDir}/redis`))
      return { check: ok('store', 'none yet; the first command creates it'), opened: null }
    const opened = await openConfiguredStore(settings, silentLogger, cleanup, { patienceMs: STORE_PATIENCE_MS, clock })
    await opened.requireWritable()
    if (databaseUrl !== null) {
      const { name } = readDatabaseUrl({ url: databaseUrl.reveal(), ca: null })
      return { check: ok('store', `${name} answers, and takes changes`), opened }
    }
    const damage = checkStore(path)
    const check =
      damage === null
        ? ok('store', `${path} is whole`)
        : failed('store', `${path} is damaged (${damage})`, 'Stop everything, then follow docs/backup.md.')
    return { check, opened }
  } catch (error) {
    return { check: explained('store', error), opened: null }
  }
}

async function redisChecks(
  settings: Settings,
  store: Store | null,
  { now }: Clock,
  cleanup: Cleanup,
): Promise<Check[]> {
  try {
    const queue = await openRunningQueue(settings, cleanup)
    if (queue === null) return [await privateRedisCheck()]
    const [warnings] = await Promise.all([
      withAnswerTimeout(queue, queue.registry.warnings()),
      store === null ? null : requireOwnRedisInTime({ store, queue, now }),
    ])
    if (warnings.length === 0) return [ok('Redis', queue.registry.describe())]
    return warnings.map((each) => warning('Redis', ...sentences(each)))
  } catch (error) {
    return [explained('Redis', error)]
  }
}

/** Reads the store, and sends nothing: a test message could be mistaken for news. */
async function notificationCheck({ webhookUrl }: Settings, store: Store | null, { now }: Clock): Promise<Check> {
  const name = 'notifications'
  const webhook = webhookUrl === null ? 'TRACKYARD_WEBHOOK_URL is not set' : 'TRACKYARD_WEBHOOK_URL is set'
  if (store === null) return ok(name, webhook)
  try {
    const { count, since } = await store.notifications.pending(now() - NOTIFICATION_LIFETIME_MS)
    if (since === null || now() - since < LATE_NOTIFICATION_MS) return ok(name, webhook)
    return warning(
      name,
      `${webhook}; ${formatNumber(count)} ${count === 1 ? 'waits' : 'wait'} since ${formatTime(since, now())}`,
      'See `webhook.failed` in the log of the worker, and check its TRACKYARD_WEBHOOK_URL.',
    )
  } catch (error) {
    return explained(name, error)
  }
}

async function privateRedisCheck(): Promise<Check> {
  const version = await installedVersion()
  if (version === null) return failed('Redis', ...sentences(await notInstalled()))
  return ok('Redis', `private, not running; redis-server ${version}`)
}

async function apiChecks(settings: Settings, store: Store | null, cleanup: Cleanup): Promise<Check[]> {
  try {
    if (store !== null) await requireCompatibleApi({ store, apiUrl: settings.apiUrl })
    const before = Date.now()
    const answer = await (await openConfiguredApi(settings, cleanup)).me()
    switch (answer.kind) {
      case 'unauthorized':
        return [
          failed('API key', 'the API refuses it (401)', 'Check TRACKYARD_API_KEY: whole, without quotes, not revoked.'),
        ]
      case 'failed':
        return [failed('API', `GET /me failed: ${answer.reason}`, 'Check TRACKYARD_API_URL and the network.')]
      case 'ok': {
        const credits = answer.creditsRemaining
        const balance = credits === null ? 'balance unknown' : `${pluralize(credits, 'credit')} left`
        const limit = answer.limitPerMinute === null ? '' : `, ${formatNumber(answer.limitPerMinute)} calls a minute`
        const summary = `accepted by ${settings.apiUrl}: ${balance}${limit}`
        const key = credits === 0 ? warning('API key', summary, 'Top up the account.') : ok('API key', summary)
        return [key, clockCheck(answer.date, before, Date.now())]
      }
      default:
        return answer satisfies never
    }
  } catch (error) {
    return [explained('API', error)]
  }
}

/** A wrong clock moves active hours, deadlines and every time that is shown. */
function clockCheck(date: number | null, before: number, after: number): Check {
  if (date === null) return ok('clock', 'the API does not send its time')
  const offMs = date < before ? before - date : Math.max(0, date - after)
  if (offMs <= CLOCK_MAY_DIFFER_MS) return ok('clock', 'agrees with the API')
  const by = offMs < 60_000 ? `${Math.round(offMs / 1000)} s` : formatDuration(offMs)
  return warning('clock', `${by} off the time of the API`, 'Synchronize it, for example `timedatectl set-ntp true`.')
}

const ok = (name: string, found: string): Check => ({ name, state: 'ok', found, remedy: null })
const warning = (name: string, found: string, remedy: string | null): Check => ({
  name,
  state: 'warning',
  found,
  remedy,
})
const failed = (name: string, found: string, remedy: string | null): Check => ({ name, state: 'failed', found, remedy })

/** A failed check for an error that a user can act on. @throws any other error */
function explained(name: string, error: unknown): Check {
  if (!(error instanceof ReportedError)) throw error
  return failed(name, ...sentences(error.message))
}

/** What happened, and what to do. */
function sentences(text: string): [found: string, remedy: string | null] {
  const { message, hint } = splitHint(text)
  return [message.replace(/\.$/, ''), hint]
}
