import type { Logger } from '../domain/logger.js'

/**
 * One line per kind and minute. Some trouble repeats thousands of times a second (a Redis that refuses
 * every command), and a full log hides its own cause. A line whose facts carry `repeats`, the name of its
 * kind, is written at once; those of the same kind in the minute after it are only counted, and the next
 * one that is written says how many it stands for (`times`). Lines without `repeats` are all written.
 */
const MINUTE_MS = 60_000

interface Kind {
  readonly writtenAtMs: number
  unwritten: number
}

export function limitRepeats(log: Logger, monotonicMs: () => number): Logger {
  const kinds = new Map<string, Kind>()

  function limited(write: (facts: object, message: string) => void): (facts: object, message: string) => void {
    return (facts, message) => {
      if (!('repeats' in facts)) return write(facts, message)
      const { repeats, ...rest } = facts
      const event = String(repeats)
      const now = monotonicMs()
      const kind = kinds.get(event)
      if (kind !== undefined && now - kind.writtenAtMs < MINUTE_MS) {
        kind.unwritten += 1
        return
      }
      const times = (kind?.unwritten ?? 0) + 1
      kinds.set(event, { writtenAtMs: now, unwritten: 0 })
      write({ event, ...rest, ...(times > 1 ? { times } : {}) }, message)
    }
  }

  return {
    debug: limited((facts, message) => log.debug(facts, message)),
    info: limited((facts, message) => log.info(facts, message)),
    warn: limited((facts, message) => log.warn(facts, message)),
    error: limited((facts, message) => log.error(facts, message)),
  }
}
