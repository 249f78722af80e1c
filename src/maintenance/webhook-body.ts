import type { StoredNotification } from '../store/notifications.js'

/**
 * The body of a notification. Batch names and the API's words are foreign text: for Slack and Discord it is escaped, so
 * that it mentions nobody and formats nothing. Other receivers get plain text.
 * Sources: Slack "Formatting text for app surfaces", Discord "Create Message" and "Execute Webhook".
 */
export function webhookBody(url: string, notification: StoredNotification, boardUrl: string | null): object {
  const { id, event, batch, figures, createdAt } = notification
  const link = boardUrl === null ? null : `${boardUrl}${batch === null ? '/' : `/batches/${batch.id}`}`
  const { text } = notification
  const receiver = receiverOf(url)
  switch (receiver) {
    case 'slack':
      return { text: withLink(escapeForSlack(text)), mrkdwn: false }
    case 'discord':
      return { content: withLink(escapeForDiscord(text)), allowed_mentions: { parse: [] } }
    case 'discord as slack':
      return { text: withLink(escapeForDiscord(text).replaceAll('@', '@\u200B')) }
    case 'other':
      return { text, event, id, createdAt: new Date(createdAt).toISOString(), batch, figures, link }
    default:
      return receiver satisfies never
  }

  function withLink(escaped: string): string {
    return link === null ? escaped : `${escaped} ${link}`
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

/** Discord allows 2,000; the rest is for the link. */
const LONGEST_FOR_DISCORD = 1800

function escapeForDiscord(text: string): string {
  const escaped = text.replace(/[\\`*_~|<>@#[\]()]/g, '\\$&')
  return escaped.length <= LONGEST_FOR_DISCORD ? escaped : `${escaped.slice(0, LONGEST_FOR_DISCORD - 1)}…`
}
