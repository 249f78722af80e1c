/**
 * What every room may log; pino satisfies it. Facts first, the message second.
 *
 * `event` is a stable name (`worker.started`) for scripts, tests and alerts; the message is free prose.
 * A line that may come again without bound carries `repeats`: the log writes one line per event and minute, with a
 * count (src/log/limit-repeats.ts). A text in `repeats` tells lines of one event apart.
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
