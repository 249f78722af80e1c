import { createHmac } from 'node:crypto'
import { addAbortSignal } from 'node:stream'
import { basicCredentials, connector } from '../api/connect.js'
import { createSemaphore, exchange } from '../api/exchange.js'
import { header } from '../api/headers.js'
import { parseRetryAfter } from '../api/retry-after.js'
import type { Secret } from '../config/secret.js'
import type { Logger } from '../domain/logger.js'
import type { StoredNotification } from '../store/notifications.js'
import { webhookBody } from './webhook-body.js'

export interface Webhook {
  /** One request. Interrupted counts as failed, since the message may not have arrived. */
  post(notification: StoredNotification, interrupted: AbortSignal): Promise<Delivery>
}

/** `refused`: this message will never be taken, others may be. `failed`: try again, after `retryAfterMs` if it is known. */
export type Delivery =
  | { readonly kind: 'delivered' }
  | { readonly kind: 'refused' }
  | { readonly kind: 'failed'; readonly retryAfterMs: number | null }

const TIMEOUT_MS = 5000
/** The longest time for one request, with room for a slow machine. */
export const LONGEST_POST_MS = TIMEOUT_MS + 10_000
/** Only the status and the headers are read. */
const MAX_BODY_BYTES = 64 * 1024

/** About the body, not about the receiver: the next message may be taken. */
const REFUSED_BODY = [400, 413, 422]

/** Posts notifications to TRACKYARD_WEBHOOK_URL. A failure is logged, and never stops the work. */
export function openWebhook(parts: {
  /** May have a user and a password, which are sent by HTTP Basic authentication. */
  readonly url: string
  /** Null: none. */
  readonly proxy: URL | null
  readonly userAgent: string
  /** Signs each message. Null: unsigned. */
  readonly secret: Secret | null
  /** Where people reach the board, for links; null: no links. */
  readonly boardUrl: string | null
  readonly log: Logger
  readonly now: () => number
  /** How long one request may take, ms. Default 5,000. */
  readonly timeoutMs?: number
}): Webhook {
  const { log, timeoutMs = TIMEOUT_MS } = parts
  const url = new URL(parts.url)
  const credentials = basicCredentials(url)
  const connect = connector(url, parts.proxy)
  const largeAnswers = createSemaphore(1)
  return {
    async post(notification, interrupted) {
      const { id, event, batch } = notification
      const body = JSON.stringify(webhookBody(parts.url, notification, parts.boardUrl))
      const result = await exchange(
        async (signal) => addAbortSignal(interrupted, await connect(AbortSignal.any([signal, interrupted]))),
        {
          host: url.host,
          path: url.pathname + url.search,
          method: 'POST',
          headers: {
            'content-type': 'application/json',
            'user-agent': parts.userAgent,
            'trackyard-event': event,
            'trackyard-delivery': String(id),
            ...(credentials === null ? {} : { authorization: credentials }),
            ...(parts.secret === null ? {} : { 'trackyard-signature': signature(body, parts.secret, parts.now()) }),
          },
          body,
          timeoutMs,
          maxBytes: MAX_BODY_BYTES,
          largeAnswers,
        },
      )
      const response = result.kind === 'response' ? result.response : null
      const status = response?.status ?? 0
      if (status >= 200 && status <= 299) return { kind: 'delivered' }
      if (interrupted.aborted) return { kind: 'failed', retryAfterMs: null }
      const facts = { delivery: id, notification: event, batch: batch?.id ?? null }
      if (REFUSED_BODY.includes(status)) {
        log.warn(
          { event: 'webhook.refused', ...facts, status },
          `the webhook answered HTTP ${status} and will never take this notification; it is dropped`,
        )
        return { kind: 'refused' }
      }
      const reason = result.kind === 'none' ? result.problem : failureOf(status)
      log.warn(
        { event: 'webhook.failed', ...facts, reason, repeats: true },
        'the notification could not be sent; trying again for a day. Check TRACKYARD_WEBHOOK_URL',
      )
      const { headers = {} } = response ?? {}
      const now = parts.now()
      return {
        kind: 'failed',
        retryAfterMs: parseRetryAfter(header(headers, 'retry-after'), header(headers, 'date'), now),
      }
    },
  }
}

/** After a redirect, a POST may become a GET without its body, and the body and its signature may go elsewhere. */
function failureOf(status: number): string {
  const answered = `the webhook answered HTTP ${status}`
  if (status < 300 || status > 399) return answered
  return `${answered}, a redirect. Set TRACKYARD_WEBHOOK_URL to where it leads`
}

/**
 * `t=<seconds>,v1=<hex>`: HMAC-SHA256 of `<seconds>.<body>`, as Stripe signs, so that a receiver can refuse old messages.
 * Source: Stripe "Verify webhook signatures manually".
 */
function signature(body: string, secret: Secret, now: number): string {
  const at = Math.floor(now / 1000)
  return `t=${at},v1=${createHmac('sha256', secret.reveal()).update(`${at}.${body}`).digest('hex')}`
}
