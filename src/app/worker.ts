import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import pRetry from 'p-retry'
import { checkAccount } from '../account/check.js'
import { followLimit } from '../account/pace.js'
import { type Refreshed, refreshAccount } from '../account/refresh.js'
import { takeApi } from '../account/same-api.js'
import { openSharedKey } from '../account/shared-key.js'
import { openWebhook } from '../announce/webhook.js'
import type { Api } from '../api/client.js'
import type { Settings } from '../config/settings.js'
import { retryOne } from '../dead-letters/redrive.js'
import { systemClock } from '../domain/clock.js'
import type { Logger } from '../domain/logger.js'
import { checkEpoch } from '../feed/epoch.js'
import { followRows } from '../pauses/pause.js'
import type { SearchQueue } from '../queue/search-queue.js'
import { OPEN_CALL_MARGIN_MS, searchHandler } from '../search/handle.js'
import { recordUnsaved } from '../search/unsaved.js'
import type { Store } from '../store/store.js'
import { startChores } from './chores.js'
import type { Closers } from './closers.js'
import { startDamageCheck } from './damage-check.js'
import { downChore, isAskedToStop } from './down.js'
import { HERE } from './healthy.js'
import { sayHello } from './hello.js'
import { endable, type Running, stoppedBefore } from './running.js'
import { saveTheRest, storeChore, warnOfOlderStore } from './store-watch.js'
import { LEASES, workerChores } from './worker-chores.js'

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
export async function workWith(opened: WorkerParts, closers: Closers): Promise<Running> {
  const { settings, log, store, queue, api } = opened
  const parts = { store, queue, api, log, now: systemClock.now }
  const { workerId = HERE + randomUUID(), startedAt = parts.now() } = opened
  await takeApi({ store, apiUrl: settings.apiUrl })
  const damageCheck = await startDamageCheck(parts, closers)
  await recordUnsaved(parts)
  const { done, end } = endable()

  const setPace = () => followLimit({ ...parts, rateLimit: settings.rateLimit })
  while ((await checkEpoch({ ...parts, setPace })) === 'elsewhere') await sleep(200)
  await warnOfOlderStore(parts)
  const account = await firstAccount(() => refreshAccount(parts))
  // Where others work, one of them keeps the pace; see worker-chores.ts.
  if ((await queue.fleet.workers()) === 0) await setPace()
  await followRows(parts)
  closers.add(() => queue.fleet.leave(workerId).catch(() => {}))
  // Before it says that it has started: `down` waits for the workers that it knows.
  await queue.fleet.beat({ id: workerId, trouble: null })
  // Asked while it was starting, which may have taken long: it must not make a call.
  if (await isAskedToStop(queue, startedAt)) return stoppedBefore(closers)
  await sayHello({ settings, log, store, queue, account })

  const stopping = new AbortController()
  const sharedKey = openSharedKey({ store, clock: systemClock })
  const handler = searchHandler({
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
  closers.add(async () => {
    isSaving = true
    await saveTheRest(parts, handler.unsaved).finally(() => {
      isSaving = false
    })
  })
  const chores = startChores(
    [
      ...workerChores({
        ...parts,
        settings,
        webhook: settings.webhookUrl === null ? null : openWebhook({ url: settings.webhookUrl.reveal(), log }),
        stopping: stopping.signal,
        workerId,
        sharedKey,
        // What ails the store itself comes before what a write met.
        trouble: () => store.trouble() ?? handler.trouble(),
      }),
      storeChore(store, log, 0),
      damageCheck,
      downChore(queue, startedAt, end.well),
    ],
    log,
    end.badly,
  )
  closers.add(() => Promise.all(LEASES.map((chore) => queue.fleet.release(chore).catch(() => {}))))
  closers.add(() => {
    stopping.abort()
    return chores.stop()
  })
  const parking = await queue.deadLetters.work({ retry: async (ref) => void (await retryOne(parts, ref)) })
  closers.add(() => parking.stop(settings.shutdownGraceMs))
  const searches = await queue.searches.work({
    concurrency: settings.concurrency,
    lockDurationMs: settings.lockDurationMs,
    stalledIntervalMs: settings.stalledIntervalMs,
    openCallMaxAgeMs: settings.requestTimeoutMs + OPEN_CALL_MARGIN_MS,
    handle: handler.handle,
    onBuried: () => chores.kick('move dead letters'),
  })
  closers.add(async () => {
    log.info({}, 'calls in flight finish, the rest goes back')
    const { unfinished } = await searches.stop(settings.shutdownGraceMs)
    if (unfinished === 0) log.info({}, 'nothing in hand any more')
    else log.warn({ unfinished }, 'the grace has ended with calls in flight; each is listed as of unknown outcome')
  })
  return { stop: () => closers.closeAll(), done, isSaving: () => isSaving }
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
