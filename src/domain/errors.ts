/**
 * Errors that a person is meant to read. Each class has its exit code. Any other error that is thrown is a
 * bug or a broken machine (exit 1).
 * Messages are one or two sentences: what was expected, what was found, what to do next.
 */
export type ExitCode = 0 | 1 | 2 | 3 | 4 | 5 | 78

export abstract class ReportedError extends Error {
  abstract readonly exitCode: ExitCode
  override get name(): string {
    return this.constructor.name
  }
}

/** The command's arguments are wrong, or its input cannot be used at all. */
export class UsageError extends ReportedError {
  readonly exitCode = 2
}

/** Redis, the store or the API cannot be reached or does not work. */
export class UnreachableError extends ReportedError {
  readonly exitCode = 3
}

/** Refused for safety: nothing was changed, nothing was spent. */
export class RefusedError extends ReportedError {
  readonly exitCode = 4
}

/** Not finished within the given time. */
export class NotFinishedError extends ReportedError {
  readonly exitCode = 5
}

/** The configuration cannot work: settings, a newer schema, another store's Redis. */
export class ConfigurationError extends ReportedError {
  readonly exitCode = 78
}
