import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import pRetry from 'p-retry'
import type { Api } from '../api/client.js'
import { retryOne } from '../batches/retry.js'
import type { Settings } from '../config/settings.js'
import { type Refreshed, refreshAccount } from '../control/account.js'
import { checkAccount } from '../control/check.js'
import { syncThrottle } from '../control/pauses.js'
import { applyRateLimit } from '../control/rate-limit.js'
import { takeApi } from '../control/same-api.js'
import { openSharedKey } from '../control/shared-key.js'
import { systemClock } from '../domain/clock.js'
import type { Logger } from '../domain/logger.js'
import { recoverRedis } from '../maintenance/redis-recovery.js'
import { startScheduler } from '../maintenance/scheduler.js'
import { openWebhook } from '../maintenance/webhook.js'
import { createSearchProcessor, OPEN_CALL_MARGIN_MS } from '../processing/process-search.js'
import { recordUnsaved } from '../processing/unsaved.js'
import type { SearchQueue } from '../queue/search-queue.js'
import type { Store } from '../store/store.js'
import type { Cleanup } from './cleanup.js'
import { startDamageCheck } from './damage-check.js'
import { HOST_PREFIX } from './healthy.js'
import { LEASES, maintenanceTasks } from './maintenance-tasks.js'
import { deferred, type Service, stoppedBefore } from './service.js'
import { logStartup } from './startup-log.js'
import { isStopRequested, stopTask } from './stop.js'
import { saveTheRest, storeChore, warnOfOlderStore } from './store-watch.js'

export interface WorkerIdentity {
  readonly workerId: string
  /** What was asked of the fleet before that is no concern of this worker's. */
  readonly startedAt: number
}

export interface WorkerParts extends Partial<WorkerIdentity> {
  readonly settings: Settings
  readonly log: Logger
  readonly store: Store
  readonly queue: SearchQueue
  readonly api: Api
}

/**
 * The worker on parts that are open: sees that they belong together, sets Redis right if it has lost anything, then takes
 * searches until it is stopped. What it opens itself it closes through `closers`.
 */
export async function workWith(opened: WorkerParts, cleanup: Cleanup): Promise<Service> {
  const { settings, log, store, queue, api } = opened
  const parts = { store, queue, api, log, now: systemClock.now }
  const { workerId = HOST_PREFIX + randomUUID(), startedAt = parts.now() } = opened
  await takeApi({ store, apiUrl: settings.apiUrl })
  const damageCheck = await startDamageCheck(parts, cleanup)
  await recordUnsaved(parts)
  const { done, end } = deferred()

  const setRate = () => applyRateLimit({ ...parts, rateLimit: settings.rateLimit })
  while ((await recoverRedis({ ...parts, setRate })) === 'elsewhere') await sleep(200)
  await warnOfOlderStore(parts)
  const account = await firstAccount(() => refreshAccount(parts))
  // Where others work, one of them keeps the pace; see worker-chores.ts.
  if ((await queue.registry.workers()) === 0) await setRate()
  await syncThrottle(parts)
  cleanup.add(() => queue.registry.unregister(workerId).catch(() => {}))
  // Before it says that it has started: `down` waits for the workers that it knows.
  await queue.registry.heartbeat({ id: workerId, trouble: null })
  // Asked while it was starting, which may have taken long: it must not make a call.
  if (await isStopRequested(queue, startedAt)) return stoppedBefore(cleanup)
  await logStartup({ settings, log, store, queue, account })

  const stopping = new AbortController()
  const sharedKey = openSharedKey({ store, clock: systemClock })
  const handler = createSearchProcessor({
    store,
    api,
    log,
    clock: systemClock,
    random: Math.random,
    rules: settings,
    checkAccount: () => checkAccount(parts, settings.creditReserve),
    heard: sharedKey.heard,
  })
  let isSaving = false
  cleanup.add(async () => {
    isSaving = true
    await saveTheRest(parts, handler.unsaved).finally(() => {
      isSaving = false
    })
  })
  const tasks = startScheduler(
    [
      ...maintenanceTasks({
        ...parts,
        settings,
        webhook: settings.webhookUrl === null ? null : openWebhook({ url: settings.webhookUrl.reveal(), log }),
        stopping: stopping.signal,
        workerId,
        sharedKey,
        // What ails the store itself comes before what a write met.
        trouble: () => store.trouble() ?? handler.writeFailure(),
      }),
      storeChore(store, log, 0),
      damageCheck,
      stopTask(queue, startedAt, end.well),
    ],
    log,
    end.badly,
  )
  cleanup.add(() => Promise.all(LEASES.map((task) => queue.registry.release(task).catch(() => {}))))
  cleanup.add(() => {
    stopping.abort()
    return tasks.stop()
  })
  const parking = await queue.deadLetters.work({ retry: async (ref) => void (await retryOne(parts, ref)) })
  cleanup.add(() => parking.stop(settings.shutdownGraceMs))
  const searches = await queue.searches.work({
    concurrency: settings.concurrency,
    lockDurationMs: settings.lockDurationMs,
    stalledIntervalMs: settings.stalledIntervalMs,
    openCallMaxAgeMs: settings.requestTimeoutMs + OPEN_CALL_MARGIN_MS,
    handle: handler.handle,
    onDeadLetter: () => tasks.kick('move dead letters'),
  })
  cleanup.add(async () => {
    log.info({ event: 'shutdown.drain_started' }, 'calls in flight finish, the rest goes back')
    const { unfinished } = await searches.stop(settings.shutdownGraceMs)
    if (unfinished === 0) log.info({ event: 'shutdown.finished' }, 'nothing in hand any more')
    else
      log.warn(
        { event: 'shutdown.timeout', unfinished },
        'the grace has ended with calls in flight; each is listed as of unknown outcome',
      )
  })
  return { stop: () => cleanup.runAll(), done, isSaving: () => isSaving }
}

const FIRST_ACCOUNT_MS = 5000

/** The API may be away for a moment when a whole machine starts, or hang; a worker starts without it all the same. */
async function firstAccount(refresh: () => Promise<Refreshed>): Promise<Refreshed> {
  let last: Refreshed = { kind: 'failed', reason: `no answer within ${FIRST_ACCOUNT_MS / 1000} s` }
  const asked = pRetry(
    async () => {
      last = await refresh()
      if (last.kind === 'failed') throw new Error(last.reason)
    },
    { retries: 2, minTimeout: 300, maxTimeout: 1000 },
  ).catch(() => {})
  await Promise.race([asked, sleep(FIRST_ACCOUNT_MS, undefined, { ref: false })])
  return last
}
