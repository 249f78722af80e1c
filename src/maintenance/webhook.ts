import { createHmac } from 'node:crypto'
import pRetry from 'p-retry'
import type { Secret } from '../config/secret.js'
import type { Logger } from '../domain/logger.js'
import type { StoredNotification } from '../store/notifications.js'
import { webhookBody } from './webhook-body.js'

export interface Webhook {
  /**
   * `delivered`; `refused`: this message will never be taken (400, 413, 422), others may be; `failed`: try again
   * later. Interrupted counts as failed, since the message may not have arrived.
   */
  post(notification: StoredNotification, interrupted: AbortSignal): Promise<'delivered' | 'refused' | 'failed'>
}

const ATTEMPTS = 3
const TIMEOUT_MS = 5000
const RETRY_MS = 500

/** The longest time for one message, with room for the waits between attempts. */
export const LONGEST_POST_MS = ATTEMPTS * TIMEOUT_MS + 10_000

/** About the body, not about the receiver: the next message may be taken. */
const REFUSED_BODY = [400, 413, 422]

/** Posts notifications to TRACKYARD_WEBHOOK_URL. A failure is logged, and never stops the work. */
export function openWebhook(parts: {
  readonly url: string
  /** Signs each message. Null: unsigned. */
  readonly secret: Secret | null
  /** Where people reach the board, for links; null: no links. */
  readonly boardUrl: string | null
  readonly log: Logger
  readonly now: () => number
  /** The first wait after a failed attempt. Default 500. */
  readonly retryMs?: number
  /** How long one attempt may take, ms. Default 5,000. */
  readonly timeoutMs?: number
}): Webhook {
  const { url, log, retryMs = RETRY_MS, timeoutMs = TIMEOUT_MS } = parts
  return {
    async post(notification, interrupted) {
      const body = JSON.stringify(webhookBody(url, notification, parts.boardUrl))
      try {
        await pRetry(() => send(body, AbortSignal.any([interrupted, AbortSignal.timeout(timeoutMs)])), {
          retries: ATTEMPTS - 1,
          minTimeout: retryMs,
          maxTimeout: 5000,
          signal: interrupted,
          shouldRetry: ({ error }) => !(error instanceof RefusedBody),
        })
        return 'delivered'
      } catch (error) {
        if (interrupted.aborted) return 'failed'
        const refused = error instanceof RefusedBody
        log.warn(
          { event: refused ? 'webhook.refused' : 'webhook.failed', err: error, repeats: true },
          refused
            ? 'the webhook refuses this notification; it is dropped'
            : 'the notification could not be sent; trying again for a day. Check TRACKYARD_WEBHOOK_URL',
        )
        return refused ? 'refused' : 'failed'
      }

      async function send(body: string, signal: AbortSignal): Promise<void> {
        const response = await fetch(url, {
          method: 'POST',
          headers: {
            'content-type': 'application/json',
            'trackyard-event': notification.event,
            'trackyard-delivery': String(notification.id),
            ...(parts.secret === null ? {} : { 'trackyard-signature': signature(body, parts.secret, parts.now()) }),
          },
          body,
          signal,
          // After a redirect a POST may become a GET without its body, and the body and its signature may go elsewhere.
          redirect: 'manual',
        })
        await response.body?.cancel()
        if (REFUSED_BODY.includes(response.status)) throw new RefusedBody(response.status)
        if (response.status >= 300 && response.status < 400)
          throw new Error(
            `the webhook answered HTTP ${response.status}, a redirect. Set TRACKYARD_WEBHOOK_URL to where it leads`,
          )
        if (!response.ok) throw new Error(`the webhook answered HTTP ${response.status}`)
      }
    },
  }
}

class RefusedBody extends Error {
  constructor(status: number) {
    super(`the webhook answered HTTP ${status}`)
  }
}

/**
 * `t=<seconds>,v1=<hex>`: HMAC-SHA256 of `<seconds>.<body>`, as Stripe signs, so that a receiver can refuse old messages.
 * Source: Stripe "Verify webhook signatures manually".
 */
function signature(body: string, secret: Secret, now: number): string {
  const at = Math.floor(now / 1000)
  return `t=${at},v1=${createHmac('sha256', secret.reveal()).update(`${at}.${body}`).digest('hex')}`
}
