import pRetry from 'p-retry'
import type { Logger } from '../domain/logger.js'

/** One sentence to a chat channel: `{ "text": … }` (TRACKYARD_WEBHOOK_URL). Never stands in the way of the work: failures are logged. */
export interface Announcer {
  say(text: string): void
  /** Resolves when everything said was delivered or given up. */
  close(): Promise<void>
}

const ATTEMPTS = 3
const TIMEOUT_MS = 5000
const RETRY_MS = 500

export function openAnnouncer(parts: {
  readonly url: string | null
  readonly log: Logger
  /** The first wait after a failed attempt. Default 500. */
  readonly retryMs?: number
  /** How long one attempt may take, ms. Default 5,000. */
  readonly timeoutMs?: number
}): Announcer {
  const { retryMs = RETRY_MS, timeoutMs = TIMEOUT_MS } = parts
  const pending = new Set<Promise<void>>()
  return {
    say(text) {
      if (parts.url === null) return
      const delivery = deliver(parts.url, text, { retryMs, timeoutMs }).catch((error: unknown) => {
        parts.log.warn({ err: error }, 'the webhook could not be reached')
      })
      pending.add(delivery)
      void delivery.finally(() => pending.delete(delivery))
    },
    async close() {
      await Promise.all(pending)
    },
  }
}

async function deliver(
  url: string,
  text: string,
  { retryMs, timeoutMs }: { readonly retryMs: number; readonly timeoutMs: number },
): Promise<void> {
  await pRetry(
    async () => {
      const response = await fetch(url, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ text }),
        signal: AbortSignal.timeout(timeoutMs),
      })
      await response.body?.cancel()
      if (!response.ok) throw new Error(`the webhook answered ${response.status}`)
    },
    { retries: ATTEMPTS - 1, minTimeout: retryMs, maxTimeout: 5000 },
  )
}
