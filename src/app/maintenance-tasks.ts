import type { Api } from '../api/client.js'
import { dropAbandoned } from '../batches/abandoned.js'
import type { Settings } from '../config/settings.js'
import { refreshAccount } from '../control/account.js'
import { limitAgreement } from '../control/limit-agreement.js'
import { syncThrottle } from '../control/pauses.js'
import { applyRateLimit } from '../control/rate-limit.js'
import { keepApi } from '../control/same-api.js'
import type { SharedKey } from '../control/shared-key.js'
import type { Logger } from '../domain/logger.js'
import type { WriteFailure } from '../domain/write-failure.js'
import { createAutoResume, LONGEST_CHECK_MS } from '../maintenance/auto-resume.js'
import { moveFailed } from '../maintenance/dead-letter-mover.js'
import { sweepDeadLetters } from '../maintenance/dead-letter-sweep.js'
import { feed } from '../maintenance/feeder.js'
import { reconcile } from '../maintenance/reconciler.js'
import { recoverRedis } from '../maintenance/redis-recovery.js'
import type { MaintenanceTask } from '../maintenance/scheduler.js'
import { dropUnreadable } from '../maintenance/unreadable.js'
import { LONGEST_POST_MS, type Webhook } from '../maintenance/webhook.js'
import { withdraw } from '../maintenance/withdraw.js'
import { OPEN_CALL_MARGIN_MS } from '../processing/process-search.js'
import type { SearchQueue } from '../queue/search-queue.js'
import type { Store } from '../store/store.js'
import { notificationSender, notificationTask } from './notifications.js'
import { rememberLatestCall } from './store-watch.js'

/**
 * What every worker does besides searching, and how often. All of it is idempotent. Where running twice would be rude (the
 * same work twice, a webhook twice, GET /me from each worker) one worker holds a lease.
 */
export interface MaintenanceParts {
  readonly store: Store
  readonly queue: SearchQueue
  readonly api: Api
  /** Null: nobody wants to be told. */
  readonly webhook: Webhook | null
  /** This worker is stopping: what may be left to the next one is. */
  readonly stopping: AbortSignal
  readonly sharedKey: SharedKey
  readonly settings: Settings
  readonly log: Logger
  readonly now: () => number
  readonly workerId: string
  readonly trouble: () => WriteFailure | null
}

/** The chores that one worker does for all; a worker that stops gives them up, so that the next need not wait. */
export const LEASES = [
  'pace',
  'feed',
  'reconcile',
  'unreadable',
  'withdraw',
  'sweep',
  'heal',
  'account',
  'news',
  'notify',
  'abandoned',
] as const

const SECOND = 1000
const MINUTE = 60 * SECOND

export function maintenanceTasks(parts: MaintenanceParts): readonly MaintenanceTask[] {
  const { store, queue, settings, log, now } = parts
  const leased =
    (name: (typeof LEASES)[number], ms: number, work: () => Promise<unknown>) => async (): Promise<void> => {
      if (await queue.registry.lease(name, ms)) await work()
    }
  const setRate = (others = 0) => applyRateLimit({ ...parts, rateLimit: settings.rateLimit }, others)
  const limit = limitAgreement({ queue, log, rateLimit: settings.rateLimit })
  const account = async () => {
    const answer = await refreshAccount(parts)
    return answer.kind === 'ok' ? answer.account : null
  }
  const healing = createAutoResume({
    ...parts,
    refreshAccount: account,
    rules: {
      checkMs: settings.creditCheckMs,
      longestMs: LONGEST_CHECK_MS,
      autoResumeMs: settings.autoResumeHours * 60 * MINUTE,
      creditReserve: settings.creditReserve,
    },
  })
  return [
    {
      name: 'say that it lives',
      everyMs: 4 * SECOND,
      run: () => queue.registry.heartbeat({ id: parts.workerId, trouble: parts.trouble() }),
    },
    {
      name: 'check whose Redis it is',
      everyMs: 2 * SECOND,
      run: async () => {
        if ((await recoverRedis({ ...parts, setRate })) === 'elsewhere') return
        await syncThrottle(parts)
        await rememberLatestCall(parts)
      },
    },
    {
      name: 'check whose answers these are',
      everyMs: 2 * SECOND,
      run: () => keepApi({ store, apiUrl: settings.apiUrl }),
    },
    // One decides, by what it hears: several would take turns at slightly different paces.
    {
      name: 'keep the pace',
      everyMs: 2 * SECOND,
      run: async () => {
        if (!(await queue.registry.lease('pace', 10 * SECOND))) return limit.compare()
        await limit.keep()
        await setRate(await parts.sharedKey.others())
      },
    },
    { name: 'feed', everyMs: SECOND, run: leased('feed', 4 * SECOND, () => feedOurs(parts)) },
    {
      name: 'put back what vanished',
      everyMs: 5 * SECOND,
      run: leased('reconcile', 8 * SECOND, async () => {
        await dropUnreadable(parts, 'active')
        await reconcile(parts)
      }),
    },
    {
      name: 'drop jobs that cannot be read',
      everyMs: MINUTE,
      run: leased('unreadable', MINUTE, () => dropUnreadable(parts, 'everywhere')),
    },
    {
      name: 'take out what nobody wants',
      everyMs: 5 * SECOND,
      run: leased('withdraw', 8 * SECOND, () => withdraw(parts)),
    },
    { name: 'move dead letters', everyMs: 5 * SECOND, run: () => moveFailed(parts) },
    {
      name: 'set dead letters right',
      everyMs: 15 * SECOND,
      run: leased('sweep', 30 * SECOND, () => sweepDeadLetters(parts)),
    },
    {
      name: 'close abandoned calls',
      everyMs: 5 * SECOND,
      run: () => store.calls.expire(now() - settings.requestTimeoutMs - OPEN_CALL_MARGIN_MS),
    },
    {
      name: 'drop what killed submits left',
      everyMs: 15 * SECOND,
      run: leased('abandoned', 30 * SECOND, () => dropAbandoned(parts)),
    },
    { name: 'end pauses that are over', everyMs: SECOND, run: leased('heal', 5 * SECOND, () => healing.tick()) },
    // A worker has just asked when it starts, and GET /me counts as one of the key's requests.
    { name: 'ask for the account', everyMs: 15 * MINUTE, restsFirst: true, run: leased('account', MINUTE, account) },
    {
      name: 'tell the news',
      everyMs: 2 * SECOND,
      run: leased('news', 10 * SECOND, notificationTask({ ...parts, hasWebhook: parts.webhook !== null })),
    },
    ...(parts.webhook === null ? [] : [sendNotifications(parts, parts.webhook)]),
  ]
}

/** A chore of its own, since a webhook that hangs must not keep the log waiting. */
function sendNotifications(parts: MaintenanceParts, webhook: Webhook): MaintenanceTask {
  const mayGoOn = () => parts.queue.registry.lease('notify', LONGEST_POST_MS)
  return {
    name: 'send notifications',
    everyMs: SECOND,
    run: notificationSender({ ...parts, webhook, mayGoOn, interrupted: parts.stopping }),
  }
}

/** Feeds only a Redis that is known to be ours: one that has just lost everything is restored first. */
async function feedOurs(parts: MaintenanceParts): Promise<void> {
  if ((await parts.queue.registry.owner()) === parts.store.id) await feed(parts)
}
