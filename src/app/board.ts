import { followLimit } from '../account/pace.js'
import { startBoard } from '../board/start-board.js'
import type { Settings } from '../config/settings.js'
import { systemClock } from '../domain/clock.js'
import type { Logger } from '../domain/logger.js'
import { checkEpoch } from '../feed/epoch.js'
import { pause } from '../pauses/pause.js'
import { resumeByHand } from '../pauses/resume.js'
import { status } from '../status/status.js'
import { startChores } from './chores.js'
import { opening } from './closers.js'
import { downChore } from './down.js'
import { onceUnlocked } from './once-unlocked.js'
import { openDelivery, openRecord } from './parts.js'
import { endable, type Running } from './running.js'
import { saveTheRest, storeChore, WORKERS_COPY_WITHIN_MS } from './store-watch.js'
import { version } from './version.js'

/** Bull Board with the live sentence, health, readiness and metrics beside it. */
export async function startBoardProcess(
  settings: Settings,
  log: Logger,
  interrupted: AbortSignal,
): Promise<Running & { readonly url: string }> {
  return opening(async (closers) => {
    const { now } = systemClock
    const startedAt = now()
    const store = await onceUnlocked(() => openRecord(settings, log, closers), { log, interrupted })
    const queue = await openDelivery(settings, log, closers)
    const parts = { store, queue, log, now }
    await checkEpoch({ ...parts, setPace: () => followLimit({ ...parts, rateLimit: settings.rateLimit }) })
    const { board } = settings
    const { done, end } = endable()
    const chores = startChores(
      [storeChore(store, log, WORKERS_COPY_WITHIN_MS), downChore(queue, startedAt, end.well)],
      log,
      end.badly,
    )
    closers.add(() => saveTheRest(parts, () => []))
    closers.add(() => chores.stop())
    const running = await startBoard({
      host: board.host,
      port: board.port,
      path: board.path,
      user: board.user,
      password: board.password?.reveal() ?? null,
      readOnly: board.readOnly,
      queues: queue.boardQueues,
      actions: {
        pause: async (reason) => void (await pause(parts, 'operator', reason)),
        resume: async () => void (await resumeByHand(parts)),
      },
      report: () => status({ store, queue, now, settings }),
      metrics: () => store.reports.totals(now()),
      ready: async () => {
        const trouble = store.trouble()
        if (trouble !== null) return { ok: false, reason: trouble.cause }
        const epoch = await queue.fleet.epoch()
        return epoch === store.id
          ? { ok: true, reason: 'ready' }
          : { ok: false, reason: "Redis does not hold this store's window (yet)" }
      },
      log,
      version: version(),
    })
    closers.add(() => running.close())
    return { url: running.url, stop: () => closers.closeAll(), done }
  })
}
