/**
 * The logger interface for every folder; pino implements it.
 *
 * `event` is a stable name (`worker.started`) for scripts, tests and alerts; the message is free prose.
 * A line that may repeat without bound sets `repeats`: the log then writes one line per event and minute,
 * with a count (src/log/limit-repeats.ts). A string in `repeats` separates lines of the same event.
 */
export interface LogFacts {
  readonly event: string
  readonly repeats?: true | string
  readonly [fact: string]: unknown
}

export interface Logger {
  debug(facts: LogFacts, message: string): void
  info(facts: LogFacts, message: string): void
  warn(facts: LogFacts, message: string): void
  error(facts: LogFacts, message: string): void
}

export const silentLogger: Logger = {
  debug: () => {},
  info: () => {},
  warn: () => {},
  error: () => {},
}
