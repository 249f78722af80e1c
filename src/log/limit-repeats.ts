import type { LogFacts, Logger } from '../domain/logger.js'

/**
 * Limits repeated lines to one per event and minute. Some failures repeat thousands of times a
 * second (such as a Redis that refuses every command), and a flooded log hides its own cause. The
 * first line whose facts carry `repeats` is written at once. Lines of the same event in the
 * following minute are only counted, and the next line written includes the count (`times`). Lines
 * without `repeats` are always written.
 */

const MINUTE_MS = 60_000

interface Kind {
  readonly writtenAtMs: number
  unwritten: number
}

export function limitRepeats(log: Logger, monotonicMs: () => number): Logger {
  const kinds = new Map<string, Kind>()

  function limited(facts: LogFacts, write: (facts: LogFacts) => void): void {
    const { repeats, ...rest } = facts
    if (repeats === undefined) {
      write(facts)
      return
    }
    const name = repeats === true ? facts.event : `${facts.event} ${repeats}`
    const now = monotonicMs()
    const kind = kinds.get(name)
    if (kind !== undefined && now - kind.writtenAtMs < MINUTE_MS) {
      kind.unwritten += 1
      return
    }
    const times = (kind?.unwritten ?? 0) + 1
    kinds.set(name, { writtenAtMs: now, unwritten: 0 })
    write({ ...rest, ...(times > 1 ? { times } : {}) })
  }

  return {
    debug: (facts, message) => limited(facts, (kept) => log.debug(kept, message)),
    info: (facts, message) => limited(facts, (kept) => log.info(kept, message)),
    warn: (facts, message) => limited(facts, (kept) => log.warn(kept, message)),
    error: (facts, message) => limited(facts, (kept) => log.error(kept, message)),
  }
}
