/** From here on this process reads and shows local times by the clock of that zone. Null: the system's. */
export function useTimeZone(zone: string | null): void {
  // In the spelling of ICU: TZ is case-sensitive.
  if (zone !== null) process.env.TZ = new Intl.DateTimeFormat('en-US', { timeZone: zone }).resolvedOptions().timeZone
}
