import type { Settings } from '../config/settings.js'
import { allowedPerMinute } from '../control/rate-limit.js'
import type { Refreshed } from '../control/refresh-account.js'
import type { Logger } from '../domain/logger.js'
import { isLoopback } from '../domain/loopback.js'
import type { SearchQueue } from '../queue/search-queue.js'
import type { Store } from '../store/store.js'
import { version } from './version.js'

/** Logs what a worker runs with, and what an operator should fix. */
export async function logStartup(parts: {
  readonly settings: Settings
  readonly log: Logger
  readonly store: Store
  readonly queue: SearchQueue
  readonly account: Refreshed
}): Promise<void> {
  const { settings, log, store, queue, account } = parts
  const known = await store.account.get()
  const limitPerMinute = allowedPerMinute(known, settings.rateLimit)
  const counts = await queue.searches.counts()
  const warnings = await queue.registry.warnings()
  // Read everything before logging `worker.started`: a failed start must not look like a worker that stopped.
  const pauses = await store.pauses.list()
  log.info(
    {
      event: 'worker.started',
      version: version(),
      api: settings.apiUrl,
      proxy: settings.proxy?.host ?? null,
      webhookProxy: settings.webhookProxy?.host ?? null,
      tier: known.tier,
      limitPerMinute,
      limitPerDay: known.limitPerDay,
      activeHours: settings.activeHours?.hours.text ?? null,
      timeZone: settings.activeHours?.zone ?? null,
      creditsRemaining: known.creditsRemaining,
      concurrency: settings.concurrency,
      queued: counts.waiting + counts.delayed,
      store: store.name,
      redis: queue.registry.describe(),
    },
    'worker started',
  )
  if (account.kind === 'unauthorized') {
    log.warn({ event: 'api.key_refused' }, 'the API refused this key (GET /me answered 401); check TRACKYARD_API_KEY')
  }
  if (account.kind === 'failed')
    log.warn(
      { event: 'api.account_check_failed', reason: account.reason },
      'GET /me failed; using the last known account',
    )
  const { proxy } = settings
  if (proxy !== null && isLoopback(new URL(settings.apiUrl).hostname)) {
    log.warn(
      { event: 'api.proxy_used', proxy: proxy.host },
      `calls to the API on this machine go through the proxy of ${proxy.name}; to call it directly, add its host to NO_PROXY`,
    )
  }
  for (const warning of warnings) log.warn({ event: 'redis.misconfigured' }, warning)
  for (const row of pauses)
    log.warn({ event: 'queue.still_paused', cause: row.cause, detail: row.detail }, 'the queue is paused')
}
