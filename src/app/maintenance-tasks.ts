import type { Api } from '../api/client.js'
import { dropAbandoned } from '../batches/abandoned.js'
import { status } from '../batches/status.js'
import type { Settings } from '../config/settings.js'
import { keepActiveHours } from '../control/active-hours.js'
import { syncThrottle } from '../control/pauses.js'
import { applyRateLimit } from '../control/rate-limit.js'
import { refreshAccount } from '../control/refresh-account.js'
import { requireSameApi } from '../control/same-api.js'
import type { SharedKeyDetector } from '../control/shared-key.js'
import { settingsAgreement } from '../control/shared-settings.js'
import type { Logger } from '../domain/logger.js'
import type { WriteFailure } from '../domain/pause.js'
import { autoResumeTask, LONGEST_INTERVAL_MS } from '../maintenance/auto-resume.js'
import { moveFailed, SHOWN_DEAD_LETTERS, syncDeadLetters } from '../maintenance/dead-letter-mover.js'
import { feed } from '../maintenance/feeder.js'
import { notificationSender, notificationTask } from '../maintenance/notifications.js'
import type { RedisCheck } from '../maintenance/one-redis.js'
import { dropUnreadable, reconcile, withdrawUnwantedJobs } from '../maintenance/reconciler.js'
import { recoverRedis } from '../maintenance/redis-recovery.js'
import { takeSample } from '../maintenance/sampler.js'
import type { MaintenanceTask } from '../maintenance/scheduler.js'
import { LONGEST_POST_MS, type Webhook } from '../maintenance/webhook.js'
import { openCallMaxAgeMs } from '../processing/process-search.js'
import { HEARTBEAT_INTERVAL_MS } from '../queue/heartbeat.js'
import type { SearchQueue } from '../queue/search-queue.js'
import type { WorkerFacts } from '../queue/worker-registry.js'
import type { Store } from '../store/store.js'
import { rememberLatestCall } from './store-watch.js'

export interface MaintenanceParts {
  readonly store: Store
  readonly queue: SearchQueue
  readonly api: Api
  /** Null: not configured. */
  readonly webhook: Webhook | null
  /** Aborted when this worker stops: tasks leave what they can to the next worker. */
  readonly stopping: AbortSignal
  readonly sharedKey: SharedKeyDetector
  readonly settings: Settings
  readonly log: Logger
  readonly now: () => number
  readonly workerId: string
  readonly mayUse: RedisCheck
  readonly writeFailure: () => WriteFailure | null
  readonly facts: () => Omit<WorkerFacts, 'mismatches'>
  readonly logSummary: () => void
}

const SECOND = 1000
const MINUTE = 60 * SECOND

/**
 * What every worker does besides searching, and how often. All tasks are idempotent. One worker
 * holds a lease for tasks that should not run twice (duplicate work, a webhook, GET /me). A worker that
 * stops releases its leases, so another takes over at once.
 */
export function maintenanceTasks(parts: MaintenanceParts): readonly MaintenanceTask[] {
  const { store, queue, settings, log, now } = parts
  const leased = (name: string, ms: number, work: () => Promise<unknown>) => async (): Promise<void> => {
    if (await queue.registry.lease(name, ms)) await work()
  }
  const setRate = (others = 0) => applyRateLimit({ ...parts, rateLimit: settings.rateLimit }, others)
  const shared = settingsAgreement(parts)
  const account = async () => {
    const answer = await refreshAccount(parts)
    return answer.kind === 'ok' ? answer.account : null
  }
  const autoResume = autoResumeTask({
    ...parts,
    refreshAccount: account,
    rules: {
      checkMs: settings.creditCheckMs,
      longestMs: LONGEST_INTERVAL_MS,
      autoResumeMs: settings.autoResumeHours * 60 * MINUTE,
      creditReserve: settings.creditReserve,
    },
  })
  const notifications = () =>
    notificationTask({
      ...parts,
      registry: queue.registry,
      hasWebhook: parts.webhook !== null,
      deadPercent: settings.deadLetterAlertPercent,
      creditReserve: settings.creditReserve,
      forecast: async () => {
        const { credits, batches } = await status(parts, { limit: MOST_BATCHES })
        return {
          creditsEndAt: msOrNull(credits.last_until),
          finishAt: new Map(batches.map(({ batch, finish_at }) => [batch, msOrNull(finish_at)])),
        }
      },
    })
  return [
    {
      name: 'send a heartbeat',
      everyMs: HEARTBEAT_INTERVAL_MS,
      run: () =>
        queue.registry.heartbeat({
          id: parts.workerId,
          writeFailure: parts.writeFailure(),
          facts: { ...parts.facts(), mismatches: shared.mismatches() },
        }),
    },
    {
      name: 'check the Redis owner',
      everyMs: 2 * SECOND,
      run: async () => {
        if ((await recoverRedis({ ...parts, setRate })) === 'elsewhere') return
        await syncThrottle(parts)
        await rememberLatestCall(parts)
      },
    },
    {
      name: 'check the API of the store',
      everyMs: 2 * SECOND,
      run: () => requireSameApi({ store, apiUrl: settings.apiUrl }),
    },
    // One worker sets the rate, from the headers that it sees, and keeps its active hours. Several would overwrite each other.
    {
      name: 'set the rate and the active hours',
      everyMs: 2 * SECOND,
      run: async () => {
        if (!(await queue.registry.lease('rate', 10 * SECOND))) return shared.compare()
        await shared.publish()
        await setRate(await parts.sharedKey.others())
        await keepActiveHours({ ...parts, hours: settings.activeHours })
      },
    },
    { name: 'log the answered calls', everyMs: MINUTE, restsFirst: true, run: async () => parts.logSummary() },
    { name: 'feed the queue', everyMs: SECOND, run: leased('feed', 4 * SECOND, () => feedOwnRedis(parts)) },
    {
      name: 'reconcile the queue',
      everyMs: 5 * SECOND,
      run: leased('reconcile', 8 * SECOND, async () => {
        await dropUnreadable(parts, 'active')
        await reconcile(parts)
      }),
    },
    {
      name: 'drop unreadable jobs',
      everyMs: MINUTE,
      run: leased('unreadable', MINUTE, () => dropUnreadable(parts, 'everywhere')),
    },
    {
      name: 'withdraw unwanted jobs',
      everyMs: 5 * SECOND,
      run: leased('withdraw', 8 * SECOND, () => withdrawUnwantedJobs(parts)),
    },
    { name: 'move dead letters', everyMs: SECOND, run: leased('failed', 4 * SECOND, () => moveFailed(parts)) },
    {
      name: 'sync dead letters',
      everyMs: 15 * SECOND,
      run: leased('sweep', 30 * SECOND, () => syncDeadLetters(parts, SHOWN_DEAD_LETTERS)),
    },
    {
      name: 'close abandoned calls',
      everyMs: 5 * SECOND,
      run: () => store.calls.expire(now() - openCallMaxAgeMs(settings.requestTimeoutMs)),
    },
    {
      name: 'drop abandoned batches',
      everyMs: 15 * SECOND,
      run: leased('abandoned', 30 * SECOND, () => dropAbandoned(parts)),
    },
    {
      name: 'end pauses',
      everyMs: SECOND,
      // It calls GET /me.
      run: leased('auto-resume', settings.requestTimeoutMs + 5 * SECOND, autoResume),
    },
    { name: 'sample the activity', everyMs: 15 * SECOND, run: leased('sample', 20 * SECOND, () => takeSample(parts)) },
    {
      name: 'release scheduled batches',
      everyMs: SECOND,
      run: leased('schedule', 5 * SECOND, async () => {
        for (const batch of await store.schedules.releaseDue(now()))
          log.info({ event: 'batch.released', batch }, 'scheduled batch released')
      }),
    },
    // Rests first: a worker refreshes the account when it starts, and GET /me counts against the
    // key's limit.
    { name: 'refresh the account', everyMs: 15 * MINUTE, restsFirst: true, run: leased('account', MINUTE, account) },
    {
      name: 'write notifications',
      everyMs: 2 * SECOND,
      run: notificationsInTurn(parts, notifications),
    },
    ...(parts.webhook === null ? [] : [sendNotifications(parts, parts.webhook)]),
  ]
}

/** Unfinished ones come first. */
const MOST_BATCHES = 200

function msOrNull(iso: string | null): number | null {
  return iso === null ? null : Date.parse(iso)
}

/** After Redis has lost its data, a worker is not known until its next heartbeat. */
const KNOWN_AGAIN_MS = HEARTBEAT_INTERVAL_MS + 2 * SECOND

/**
 * One worker at a time. What it remembers is of its turn: another one may have notified the rest. A worker without a
 * webhook only logs, and what it logs is not sent later, so it has no turn while one with a webhook runs.
 */
function notificationsInTurn(
  { queue: { registry }, webhook }: MaintenanceParts,
  begin: () => () => Promise<void>,
): () => Promise<void> {
  let turn: (() => Promise<void>) | null = null
  let webhookSeenAt = Number.NEGATIVE_INFINITY
  const isForOthers = async () => {
    if (webhook !== null) return false
    if ((await registry.live()).some(({ facts }) => facts?.hasWebhook === true)) webhookSeenAt = performance.now()
    return performance.now() - webhookSeenAt < KNOWN_AGAIN_MS
  }
  return async () => {
    if ((await isForOthers()) || !(await registry.lease('notifications', 10 * SECOND))) {
      turn = null
      return
    }
    turn ??= begin()
    await turn()
  }
}

/** A separate task: a webhook that hangs must not delay the log. */
function sendNotifications(parts: MaintenanceParts, webhook: Webhook): MaintenanceTask {
  const mayGoOn = () => parts.queue.registry.lease('notify', LONGEST_POST_MS)
  return {
    name: 'send notifications',
    everyMs: SECOND,
    run: notificationSender({ ...parts, webhook, mayGoOn, interrupted: parts.stopping, random: Math.random }),
  }
}

/** Feeds Redis only if this store owns it. A Redis that has lost its data has no owner until it is restored. */
async function feedOwnRedis(parts: MaintenanceParts): Promise<void> {
  if ((await parts.queue.registry.owner()) === parts.store.id) await feed(parts)
}
