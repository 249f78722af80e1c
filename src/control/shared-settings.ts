import type { Settings } from '../config/settings.js'
import { hoursInWords } from '../domain/active-hours.js'
import type { Logger } from '../domain/logger.js'
import type { SearchQueue } from '../queue/search-queue.js'
import type { SettingMismatch } from '../queue/worker-registry.js'

/**
 * Settings that all workers must share: with different ones, a worker would spend what another keeps in reserve, take the
 * calls that another has in flight for lost, or send no notifications. The worker that sets the rate limit, and keeps the
 * active hours, publishes its own. Any other worker logs a warning for each that differs, once per value.
 */
export interface SettingsAgreement {
  /** For the worker that sets the rate limit. */
  publish(): Promise<void>
  /** For all other workers. */
  compare(): Promise<void>
  /** What the last comparison found, for `status`. */
  mismatches(): readonly SettingMismatch[]
}

export function settingsAgreement(parts: {
  readonly queue: Pick<SearchQueue, 'registry'>
  readonly settings: Pick<Settings, 'rateLimit' | 'creditReserve' | 'requestTimeoutMs' | 'activeHours' | 'webhookUrl'>
  readonly log: Logger
}): SettingsAgreement {
  const { settings, log } = parts
  const { registry } = parts.queue
  const hours = settings.activeHours
  const own = new Map<string, string>([
    ['TRACKYARD_RATE_LIMIT', String(settings.rateLimit)],
    ['TRACKYARD_CREDIT_RESERVE', String(settings.creditReserve)],
    ['TRACKYARD_REQUEST_TIMEOUT_MS', String(settings.requestTimeoutMs)],
    ['TRACKYARD_ACTIVE_HOURS', hours === null ? 'always' : hoursInWords({ hours: hours.hours.text, zone: hours.zone })],
    // The address is secret.
    ['TRACKYARD_WEBHOOK_URL', settings.webhookUrl === null ? 'not set' : 'set'],
  ])
  let known = new Map(own)
  return {
    async publish() {
      known = new Map(own)
      await registry.publishSettings(Object.fromEntries(own))
    },
    async compare() {
      const published = await registry.publishedSettings()
      for (const [setting, here] of own) {
        const inForce = published[setting]
        if (typeof inForce !== 'string' || inForce === known.get(setting)) continue
        known.set(setting, inForce)
        if (inForce !== here)
          log.warn(
            { event: 'setting.mismatch_found', setting, here, inForce, repeats: setting },
            `${setting} is ${here} here, but ${inForce} in the worker that does this for all. Set the same value everywhere.`,
          )
      }
    },
    mismatches: () =>
      [...own].flatMap(([setting, here]) => {
        const inForce = known.get(setting) ?? here
        return inForce === here ? [] : [{ setting, here, inForce }]
      }),
  }
}
