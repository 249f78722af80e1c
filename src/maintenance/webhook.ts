import pRetry from 'p-retry'
import type { Logger } from '../domain/logger.js'

/** Posts messages to a chat channel (TRACKYARD_WEBHOOK_URL). A failure is logged, and never stops the work. */
export interface Webhook {
  /** False when interrupted: the message may not have arrived, and must be sent again. */
  post(text: string, interrupted: AbortSignal): Promise<boolean>
}

const ATTEMPTS = 3
const TIMEOUT_MS = 5000
const RETRY_MS = 500

/** The longest time for one message, with room for the waits between attempts. */
export const LONGEST_POST_MS = ATTEMPTS * TIMEOUT_MS + 10_000

export function openWebhook(parts: {
  readonly url: string
  readonly log: Logger
  /** The first wait after a failed attempt. Default 500. */
  readonly retryMs?: number
  /** How long one attempt may take, ms. Default 5,000. */
  readonly timeoutMs?: number
}): Webhook {
  const { url, log, retryMs = RETRY_MS, timeoutMs = TIMEOUT_MS } = parts
  return {
    async post(text, interrupted) {
      try {
        await pRetry(() => send(url, text, AbortSignal.any([interrupted, AbortSignal.timeout(timeoutMs)])), {
          retries: ATTEMPTS - 1,
          minTimeout: retryMs,
          maxTimeout: 5000,
          signal: interrupted,
        })
      } catch (error) {
        if (interrupted.aborted) return false
        log.warn(
          { event: 'webhook.failed', err: error, repeats: true },
          'the notification could not be sent; it is dropped. Check TRACKYARD_WEBHOOK_URL',
        )
      }
      return true
    },
  }
}

async function send(url: string, text: string, signal: AbortSignal): Promise<void> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(messageFor(url, text)),
    signal,
  })
  await response.body?.cancel()
  if (!response.ok) throw new Error(`the webhook answered HTTP ${response.status}`)
}

/**
 * The body of a notification. Batch names and the API's words are foreign text: for Slack and Discord it is escaped, so
 * that it mentions nobody and formats nothing. Other receivers get plain text.
 * Sources: Slack "Formatting text for app surfaces", Discord "Create Message" and "Execute Webhook".
 */
export function messageFor(url: string, text: string): object {
  const receiver = receiverOf(url)
  switch (receiver) {
    case 'slack':
      return { text: escapeForSlack(text), mrkdwn: false }
    case 'discord':
      return { content: escapeForDiscord(text), allowed_mentions: { parse: [] } }
    case 'discord as slack':
      return { text: escapeForDiscord(text).replaceAll('@', '@\u200B') }
    case 'other':
      return { text }
    default:
      return receiver satisfies never
  }
}

function receiverOf(url: string): 'slack' | 'discord' | 'discord as slack' | 'other' {
  const { hostname, pathname } = new URL(url)
  if (/(^|\.)slack(-gov)?\.com$/.test(hostname)) return 'slack'
  if (!/(^|\.)discord(app)?\.com$/.test(hostname)) return 'other'
  return /\/slack\/?$/.test(pathname) ? 'discord as slack' : 'discord'
}

function escapeForSlack(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}

const LONGEST_FOR_DISCORD = 2000

function escapeForDiscord(text: string): string {
  const escaped = text.replace(/[\\`*_~|<>@#[\]()]/g, '\\$&')
  return escaped.length <= LONGEST_FOR_DISCORD ? escaped : `${escaped.slice(0, LONGEST_FOR_DISCORD - 1)}…`
}
