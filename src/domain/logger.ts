/**
 * What every room may say; pino satisfies it. Facts first, the sentence second.
 *
 * A line that may come again without bound carries the fact `repeats`, the name of its kind
 * (`webhook.failed`): the log writes one line per kind and minute, with a count (src/log/limit-repeats.ts).
 */
export interface Logger {
  debug(facts: object, message: string): void
  info(facts: object, message: string): void
  warn(facts: object, message: string): void
  error(facts: object, message: string): void
}

export const silentLogger: Logger = {
  debug: () => {},
  info: () => {},
  warn: () => {},
  error: () => {},
}
