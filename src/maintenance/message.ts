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
