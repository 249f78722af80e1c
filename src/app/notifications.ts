import type { Logger } from '../domain/logger.js'
import type { Pause, PauseCause } from '../domain/pause.js'
import { endings, pausedMessage, resumedMessage } from '../maintenance/notification-text.js'
import type { Webhook } from '../maintenance/webhook.js'
import type { Store } from '../store/store.js'

/**
 * Watches the store for events to notify about: a pause and its end (whichever worker wrote it),
 * completed batches, and capped batches whose budget is used up. Each becomes one log line and one
 * POST, sent by `notificationSender`. The pauses already notified are kept in memory only, so a new
 * worker repeats one that is still on. That is intended: it was restarted and is still paused.
 */
export function notificationTask(parts: {
  readonly store: Pick<Store, 'pauses' | 'batches' | 'account' | 'notifications'>
  /** Whether a webhook is configured. */
  readonly hasWebhook: boolean
  readonly log: Logger
  readonly now: () => number
}): () => Promise<void> {
  let notified: ReadonlyMap<PauseCause, number> = new Map()

  async function notify(message: string): Promise<void> {
    if (parts.hasWebhook) await parts.store.notifications.add(message, parts.now())
    parts.log.info({ event: 'notification.sent' }, message)
  }

  async function notifyPauses(rows: readonly Pause[]): Promise<void> {
    const fresh = rows.filter((row) => notified.get(row.cause) !== row.since)
    const remaining = rows.map((row) => row.cause)
    const lifted = [...notified.keys()].filter((cause) => !remaining.includes(cause))
    if (lifted.length > 0) {
      const { creditsRemaining } = await parts.store.account.get()
      await notify(resumedMessage(lifted, remaining, creditsRemaining))
    }
    if (fresh.length > 0) {
      const due = await parts.store.batches.dueAtMost()
      for (const row of fresh) await notify(pausedMessage(row, due))
    }
    notified = new Map(rows.map((row) => [row.cause, row.since]))
  }

  return async () => {
    await notifyPauses(await parts.store.pauses.list())
    // Stored for the webhook in the transaction that marks them as announced. A crash after it
    // loses only the log line.
    for (const message of await endings(parts.store, parts.now(), parts.hasWebhook))
      parts.log.info({ event: 'notification.sent' }, message)
  }
}

/** Older notifications are dropped: they would only confuse. */
const LONGEST_AGE_MS = 24 * 60 * 60 * 1000

/**
 * Sends stored notifications, oldest first, one at a time. When interrupted, leaves the rest to the
 * next worker.
 */
export function notificationSender(parts: {
  readonly store: Pick<Store, 'notifications'>
  readonly webhook: Webhook
  /** Whether this worker still holds the lease for sending. */
  readonly mayGoOn: () => Promise<boolean>
  readonly interrupted: AbortSignal
  readonly now: () => number
}): () => Promise<void> {
  const { webhook, interrupted, mayGoOn, now } = parts
  const { notifications } = parts.store
  return async () => {
    while (!interrupted.aborted) {
      const next = await notifications.next(now() - LONGEST_AGE_MS)
      if (next === null || !(await mayGoOn())) return
      if (await webhook.post(next.text, interrupted)) await notifications.remove(next.id)
    }
  }
}
