import type { Logger } from '../domain/logger.js'
import type { Pause, PauseCause } from '../domain/pause-cause.js'
import { endings, pausedMessage, resumedMessage } from '../maintenance/notification-text.js'
import type { Webhook } from '../maintenance/webhook.js'
import type { Store } from '../store/store.js'

/**
 * Watches the record for what somebody wants to be told: a pause and its end (whoever wrote it, on whichever
 * worker), completed batches, and capped ones whose share is through. Each is one line of the log and one POST, which
 * is sent by `notificationSender`. Which pauses were told is
 * remembered in the process; a new worker tells a standing one again, which is meant: somebody restarted
 * it and it still stands.
 */
export function notificationTask(parts: {
  readonly store: Pick<Store, 'pauses' | 'batches' | 'account' | 'notifications'>
  /** Whether there is a webhook to be told. */
  readonly hasWebhook: boolean
  readonly log: Logger
  readonly now: () => number
}): () => Promise<void> {
  let told: ReadonlyMap<PauseCause, number> = new Map()

  async function tell(message: string): Promise<void> {
    if (parts.hasWebhook) await parts.store.notifications.add(message, parts.now())
    parts.log.info({ event: 'notification.sent' }, message)
  }

  async function tellPauses(rows: readonly Pause[]): Promise<void> {
    const fresh = rows.filter((row) => told.get(row.cause) !== row.since)
    const standing = rows.map((row) => row.cause)
    const lifted = [...told.keys()].filter((cause) => !standing.includes(cause))
    if (lifted.length > 0) {
      const { creditsRemaining } = await parts.store.account.get()
      await tell(resumedMessage(lifted, standing, creditsRemaining))
    }
    if (fresh.length > 0) {
      const due = await parts.store.batches.dueAtMost()
      for (const row of fresh) await tell(pausedMessage(row, due))
    }
    told = new Map(rows.map((row) => [row.cause, row.since]))
  }

  return async () => {
    await tellPauses(await parts.store.pauses.list())
    // Kept for the webhook in the transaction that marks them announced: a crash behind it loses a line of the log only.
    for (const message of await endings(parts.store, parts.now(), parts.hasWebhook))
      parts.log.info({ event: 'notification.sent' }, message)
  }
}

/** Older news would only confuse. */
const NEWS_FOR_MS = 24 * 60 * 60 * 1000

/** Sends what is to be told, oldest first, one at a time, until it is interrupted: what was not sent then is left for the next worker. */
export function notificationSender(parts: {
  readonly store: Pick<Store, 'notifications'>
  readonly webhook: Webhook
  /** Whether this worker is (still) the one that sends. */
  readonly mayGoOn: () => Promise<boolean>
  readonly interrupted: AbortSignal
  readonly now: () => number
}): () => Promise<void> {
  const { webhook, interrupted, mayGoOn, now } = parts
  const { notifications } = parts.store
  return async () => {
    while (!interrupted.aborted) {
      const next = await notifications.next(now() - NEWS_FOR_MS)
      if (next === null || !(await mayGoOn())) return
      if (await webhook.post(next.text, interrupted)) await notifications.remove(next.id)
    }
  }
}
