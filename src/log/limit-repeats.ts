import type { LogFacts, Logger } from '../domain/logger.js'

/**
 * One line per event and minute. Some trouble repeats thousands of times a second (a Redis that refuses
 * every command), and a full log hides its own cause. A line whose facts carry `repeats` is written at once; those of the
 * same event in the minute after it are only counted, and the next one that is written says how many it stands
 * for (`times`). Lines without `repeats` are all written.
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
