import { oneLimit } from '../account/one-limit.js'
import { followLimit } from '../account/pace.js'
import { refreshAccount } from '../account/refresh.js'
import { keepApi } from '../account/same-api.js'
import type { SharedKey } from '../account/shared-key.js'
import { LONGEST_POST_MS, type Webhook } from '../announce/webhook.js'
import type { Api } from '../api/client.js'
import type { Settings } from '../config/settings.js'
import { moveFailed } from '../dead-letters/mover.js'
import { sweepDeadLetters } from '../dead-letters/sweep.js'
import type { Logger } from '../domain/logger.js'
import type { StoreTrouble } from '../domain/store-trouble.js'
import { checkEpoch } from '../feed/epoch.js'
import { feed } from '../feed/feeder.js'
import { reconcile } from '../feed/reconcile.js'
import { dropUnreadable } from '../feed/unreadable.js'
import { withdraw } from '../feed/withdraw.js'
import { followRows } from '../pauses/pause.js'
import { LONGEST_CHECK_MS, selfHealing } from '../pauses/self-heal.js'
import type { SearchQueue } from '../queue/search-queue.js'
import { OPEN_CALL_MARGIN_MS } from '../search/handle.js'
import type { Store } from '../store/store.js'
import { dropAbandoned } from '../submit/abandoned.js'
import type { Chore } from './chores.js'
import { newsChore, notificationSender } from './news.js'
import { rememberLatestCall } from './store-watch.js'

/**
 * What every worker does besides searching, and how often. All of it is idempotent. Where running twice would be rude (the
 * same work twice, a webhook twice, GET /me from each worker) one worker holds a lease.
 */
export interface ChoreParts {
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
  readonly trouble: () => StoreTrouble | null
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

export function workerChores(parts: ChoreParts): readonly Chore[] {
  const { store, queue, settings, log, now } = parts
  const leased =
    (name: (typeof LEASES)[number], ms: number, work: () => Promise<unknown>) => async (): Promise<void> => {
      if (await queue.fleet.lease(name, ms)) await work()
    }
  const setPace = (others = 0) => followLimit({ ...parts, rateLimit: settings.rateLimit }, others)
  const limit = oneLimit({ queue, log, rateLimit: settings.rateLimit })
  const account = async () => {
    const answer = await refreshAccount(parts)
    return answer.kind === 'ok' ? answer.account : null
  }
  const healing = selfHealing({
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
      run: () => queue.fleet.beat({ id: parts.workerId, trouble: parts.trouble() }),
    },
    {
      name: 'check whose Redis it is',
      everyMs: 2 * SECOND,
      run: async () => {
        if ((await checkEpoch({ ...parts, setPace })) === 'elsewhere') return
        await followRows(parts)
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
        if (!(await queue.fleet.lease('pace', 10 * SECOND))) return limit.compare()
        await limit.keep()
        await setPace(await parts.sharedKey.others())
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
      run: () => store.calls.ageOut(now() - settings.requestTimeoutMs - OPEN_CALL_MARGIN_MS),
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
      run: leased('news', 10 * SECOND, newsChore({ ...parts, hasWebhook: parts.webhook !== null })),
    },
    ...(parts.webhook === null ? [] : [sendNotifications(parts, parts.webhook)]),
  ]
}

/** A chore of its own, since a webhook that hangs must not keep the log waiting. */
function sendNotifications(parts: ChoreParts, webhook: Webhook): Chore {
  const mayGoOn = () => parts.queue.fleet.lease('notify', LONGEST_POST_MS)
  return {
    name: 'send notifications',
    everyMs: SECOND,
    run: notificationSender({ ...parts, webhook, mayGoOn, interrupted: parts.stopping }),
  }
}

/** Feeds only a Redis that is known to be ours: one that has just lost everything is restored first. */
async function feedOurs(parts: ChoreParts): Promise<void> {
  if ((await parts.queue.fleet.epoch()) === parts.store.id) await feed(parts)
}
