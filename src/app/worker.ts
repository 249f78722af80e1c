import { hostname } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import pRetry from 'p-retry'
import type { Api } from '../api/client.js'
import { retryOne } from '../batches/retry.js'
import type { Settings } from '../config/settings.js'
import { keepActiveHours } from '../control/active-hours.js'
import { syncThrottle } from '../control/pauses.js'
import { applyRateLimit } from '../control/rate-limit.js'
import { checkAccount, type Refreshed, refreshAccount } from '../control/refresh-account.js'
import { openSharedKeyDetector } from '../control/shared-key.js'
import { type Clock, systemClock } from '../domain/clock.js'
import { pluralize } from '../domain/format.js'
import type { Logger } from '../domain/logger.js'
import { settledWithin } from '../domain/with-timeout.js'
import { startDamageCheck } from '../maintenance/damage-check.js'
import { sharedRedisCheck } from '../maintenance/one-redis.js'
import { recoverRedis } from '../maintenance/redis-recovery.js'
import { startScheduler } from '../maintenance/scheduler.js'
import { openWebhook } from '../maintenance/webhook.js'
import { createSearchProcessor, openCallMaxAgeMs } from '../processing/process-search.js'
import { recordUnsaved } from '../processing/unsaved.js'
import { CLOSE_TIMEOUT_MS } from '../queue/redis-client.js'
import type { SearchQueue } from '../queue/search-queue.js'
import type { Store } from '../store/store.js'
import type { Cleanup } from './cleanup.js'
import { forgetDeadNeighbours } from './dead-neighbours.js'
import { maintenanceTasks } from './maintenance-tasks.js'
import { alreadyStoppedService, deferred, type Service } from './service.js'
import { logStartup } from './startup-log.js'
import { stopTask } from './stop.js'
import { rememberLatestCall, saveAtEnd, storeCheck } from './store-watch.js'
import { userAgent } from './version.js'

export interface WorkerParts {
  readonly workerId: string
  readonly settings: Settings
  readonly log: Logger
  readonly store: Store
  readonly queue: SearchQueue
  readonly api: Api
  readonly clock: Clock
}

/**
 * Runs a worker on open parts, of which the store belongs to the API: restores Redis if it has lost
 * data, then processes searches until it is stopped. What it opens itself is registered with
 * `cleanup`.
 */
export async function runWorker(opened: WorkerParts, cleanup: Cleanup): Promise<Service> {
  const { workerId, settings, log, store, queue, api, clock } = opened
  const parts = { store, queue, api, log, now: clock.now }
  const closing = new AbortController()
  cleanup.add(() => closing.abort())
  // Only a SQLite file is checked for damage: PostgreSQL checks its own files.
  const isFile = settings.databaseUrl === null
  const damageChecks = isFile ? [await startDamageCheck({ ...parts, stopping: closing.signal })] : []
  await recordUnsaved(parts)
  const { done, resolve, reject } = deferred()

  const setRate = () => applyRateLimit({ ...parts, rateLimit: settings.rateLimit })
  // With a SQLite file, all workers are on this machine and use its Redis, so there is nothing to check.
  const mayUse =
    settings.databaseUrl === null ? async () => true : sharedRedisCheck({ ...parts, where: queue.registry.describe() })
  while ((await recoverRedis({ ...parts, setRate, mayUse })) === 'elsewhere') await sleep(200)
  await rememberLatestCall(parts)
  const account = await firstAccount(() => refreshAccount(parts))
  await forgetDeadNeighbours(queue)
  // If other workers run, one of them sets the rate and keeps the hours; see maintenance-tasks.ts.
  if ((await queue.registry.workers()) === 0) {
    await setRate()
    await keepActiveHours({ ...parts, hours: settings.activeHours })
  }
  await syncThrottle(parts)
  // Before `worker.started` is logged: `down` waits only for registered workers, then stops Redis.
  const startedAt = parts.now()
  let searching: { activeJobs(): number } | null = null
  const hasWebhook = settings.webhookUrl !== null
  const facts = () => ({
    host: hostname(),
    pid: process.pid,
    startedAt,
    inFlight: searching?.activeJobs() ?? 0,
    hasWebhook,
  })
  await queue.registry.heartbeat({ id: workerId, writeFailure: null, facts: { ...facts(), mismatches: [] } })
  // `down` may have been called during a long start: then this worker must not make a call.
  if (await queue.registry.isStopRequested()) return alreadyStoppedService(cleanup)
  await logStartup({ settings, log, store, queue, account })

  const stopping = new AbortController()
  const sharedKey = openSharedKeyDetector({ store, clock })
  const handler = createSearchProcessor({
    store,
    api,
    log,
    clock,
    random: Math.random,
    rules: settings,
    checkAccount: () => checkAccount(parts, settings.creditReserve),
    heard: sharedKey.heard,
  })
  const isSaving = saveAtEnd({ store, log, unsaved: handler.unsaved }, cleanup)
  const tasks = startScheduler(
    [
      ...maintenanceTasks({
        ...parts,
        settings,
        webhook:
          settings.webhookUrl === null
            ? null
            : openWebhook({
                url: settings.webhookUrl.reveal(),
                proxy: settings.webhookProxy === null ? null : new URL(settings.webhookProxy.url.reveal()),
                userAgent: userAgent(),
                secret: settings.webhookSecret,
                boardUrl: settings.board.url,
                log,
                now: systemClock.now,
              }),
        stopping: stopping.signal,
        workerId,
        mayUse,
        facts,
        sharedKey,
        logSummary: handler.logSummary,
        // A lost store explains more than the write that failed because of it.
        writeFailure: () => store.writeFailure() ?? handler.writeFailure(),
      }),
      storeCheck(store, log, 0),
      ...damageChecks,
      stopTask(queue, resolve),
    ],
    log,
    reject,
  )
  cleanup.add(() => settledWithin(CLOSE_TIMEOUT_MS, queue.registry.release()))
  cleanup.add(() => {
    stopping.abort()
    return tasks.stop()
  })
  const { lockDurationMs, stalledIntervalMs } = settings
  const deadLetters = await queue.deadLetters.work({
    lockDurationMs,
    stalledIntervalMs,
    retry: async (ref) => void (await retryOne(parts, ref)),
  })
  const searches = await queue.searches.work({
    concurrency: settings.concurrency,
    lockDurationMs,
    stalledIntervalMs,
    openCallMaxAgeMs: openCallMaxAgeMs(settings.requestTimeoutMs),
    handle: handler.handle,
  })
  searching = searches
  cleanup.add(async () => {
    log.info({ event: 'shutdown.drain_started' }, 'waiting for calls in flight; requeuing the rest')
    const { shutdownGraceMs } = settings
    const [{ unfinished }] = await Promise.all([searches.stop(shutdownGraceMs), deadLetters.stop(shutdownGraceMs)])
    handler.logSummary()
    if (unfinished === 0) log.info({ event: 'shutdown.finished' }, 'no calls in flight')
    else logTimeout(log, unfinished, handler.unsaved(false).length)
  })
  return { stop: () => cleanup.runAll(), done, isSaving }
}

/** @param unsaved of the unfinished searches, how many have the end of their call in memory */
function logTimeout(log: Logger, unfinished: number, unsaved: number): void {
  const saved =
    unsaved === 0 ? '' : `; ${pluralize(unsaved, 'answer')} will be saved, or written to a file, before the end`
  const unknown = unfinished > unsaved ? '; a call that gets no answer before the end will be listed as unknown' : ''
  log.warn(
    { event: 'shutdown.timeout', unfinished, unsaved },
    `the grace period has ended with ${pluralize(unfinished, 'search')} unfinished${saved}${unknown}`,
  )
}

const FIRST_ACCOUNT_MS = 5000

/**
 * Tries for five seconds: when a machine boots, the API may be unreachable for a moment. If it stays so, the worker
 * starts without an answer of the API.
 */
async function firstAccount(refresh: () => Promise<Refreshed>): Promise<Refreshed> {
  let last: Refreshed = { kind: 'failed', reason: `no answer within ${FIRST_ACCOUNT_MS / 1000} s` }
  const refreshed = pRetry(
    async () => {
      last = await refresh()
      if (last.kind === 'failed') throw new Error(last.reason)
    },
    { retries: 2, minTimeout: 300, maxTimeout: 1000 },
  ).catch(() => {})
  await Promise.race([refreshed, sleep(FIRST_ACCOUNT_MS, undefined, { ref: false })])
  return last
}
