import { status } from '../batches/status.js'
import type { Settings } from '../config/settings.js'
import { pause, resumeByHand } from '../control/pauses.js'
import { applyRateLimit } from '../control/rate-limit.js'
import { adjustableClock } from '../domain/clock.js'
import type { Logger } from '../domain/logger.js'
import { withTimeout } from '../domain/with-timeout.js'
import { recoverRedis } from '../maintenance/redis-recovery.js'
import { startScheduler } from '../maintenance/scheduler.js'
import { startBoard } from '../web/start-board.js'
import { cleanupOnError } from './cleanup.js'
import { openConfiguredQueue, openConfiguredStore } from './parts.js'
import { requireRedisServer } from './require-redis-server.js'
import { retryWhileLocked } from './retry-while-locked.js'
import { deferred, type Service } from './service.js'
import { tolerantThrottle } from './session.js'
import { stopTask } from './stop.js'
import { saveAtEnd, storeCheck, WORKERS_COPY_WITHIN_MS } from './store-watch.js'
import { version } from './version.js'

const SHOWN_BATCHES = 20
/** Sooner than the page gives up on Redis, which would then be named. */
const STORE_ANSWERS_WITHIN_MS = 3000

/** The pages, Bull Board, health, readiness and metrics. */
export async function startBoardProcess(
  settings: Settings,
  log: Logger,
  interrupted: AbortSignal,
): Promise<Service & { readonly url: string }> {
  return cleanupOnError(async (cleanup) => {
    const clock = adjustableClock()
    const { now } = clock
    const store = await retryWhileLocked(() => openConfiguredStore(settings, log, cleanup, { actor: 'board', clock }), {
      log,
      interrupted,
    })
    await requireRedisServer(settings)
    const queue = await openConfiguredQueue(settings, log, cleanup, clock)
    const parts = { store, queue, log, now }
    await recoverRedis({ ...parts, setRate: () => applyRateLimit({ ...parts, rateLimit: settings.rateLimit }) })
    const { done, resolve, reject } = deferred()
    const tasks = startScheduler(
      [storeCheck(store, log, WORKERS_COPY_WITHIN_MS), stopTask(queue, resolve)],
      log,
      reject,
    )
    const isSaving = saveAtEnd({ store, log, unsaved: () => [] }, cleanup)
    cleanup.add(() => tasks.stop())
    const withTolerance = () => ({ ...parts, queue: tolerantThrottle(queue) })
    const running = await startBoard({
      ...settings.board,
      queues: queue.boardQueues,
      actions: {
        pause: async (reason) => void (await pause(withTolerance(), 'operator', reason)),
        resume: async () => {
          // A pause for the hours alone: whoever presses Resume wants calls now.
          const isForHours = (await store.pauses.list()).every(({ cause }) => cause === 'outside_hours')
          await resumeByHand(withTolerance(), isForHours)
        },
      },
      store,
      confirmAbove: settings.confirmAbove,
      now,
      report: ({ redisProblem = null, ...which } = {}) =>
        status(
          { store, queue: redisProblem === null ? queue : null, redisProblem, now, settings },
          { limit: SHOWN_BATCHES, ...which },
        ),
      ready: async () => {
        const failure = store.writeFailure()
        if (failure !== null) return { ok: false, reason: failure.cause }
        await withTimeout(STORE_ANSWERS_WITHIN_MS, store.refuseIfMoved(), `The store ${store.name} does not answer.`)
        // Fails also where Redis only refuses changes.
        await queue.registry.live()
        const owner = await queue.registry.owner()
        return owner === store.id
          ? { ok: true, reason: 'ready' }
          : { ok: false, reason: 'Redis does not belong to this store yet' }
      },
      log,
      version: version(),
    })
    cleanup.add(() => running.close())
    return { url: running.url, stop: () => cleanup.runAll(), done, isSaving }
  })
}
