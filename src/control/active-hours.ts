import { hoursInForce, hoursInWords, isOutsideHours, type ZonedHours } from '../domain/active-hours.js'
import { type PauseParts, pause, resume } from './pauses.js'

/**
 * Outside TRACKYARD_ACTIVE_HOURS no call starts. One worker keeps the hours in the store for all, and adds and
 * lifts the pause. Every claim reads the store, so the first call after the end of the hours is refused even if
 * that worker has died.
 */
export async function keepActiveHours(parts: PauseParts & { readonly hours: ZonedHours | null }): Promise<void> {
  const { pauses } = parts.store
  const now = parts.now()
  const before = await pauses.activeHours()
  const inForce = parts.hours === null ? null : hoursInForce(parts.hours, now)
  if (JSON.stringify(before) !== JSON.stringify(inForce)) await pauses.setActiveHours(inForce)
  const isPaused = (await pauses.list()).some(({ cause }) => cause === 'outside_hours')
  const isOutside = inForce !== null && isOutsideHours(inForce, await pauses.hoursOverriddenUntil(now), now)
  if (isOutside && !isPaused) await pause(parts, 'outside_hours', hoursInWords(inForce))
  if (!isOutside && isPaused) await resume(parts, ['outside_hours'])
}
