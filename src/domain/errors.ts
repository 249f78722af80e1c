/**
 * Errors that a person is meant to read. Each class has its exit code. Any other error that is thrown is a
 * bug or a broken machine (exit 1).
 * Messages are one or two sentences: what was expected, what was found, what to do next.
 */
export type ExitCode = 0 | 1 | 2 | 3 | 4 | 5 | 6 | 78

/**
 * What a script can react to: `error.code` in JSON and of errors that the client throws. Each is listed in
 * docs/reference/exit-codes.md. A code is never renamed, and never gets another exit code.
 */
export const ERROR_CODES = [
  ...['usage', 'unusable_catalog', 'unusable_output', 'no_such_batch', 'ambiguous_batch', 'no_such_row'],
  ...['no_such_dead_letter', 'unreachable', 'redis_unreachable', 'store_unusable', 'api_unreachable', 'output_failed'],
  ...['refused', 'confirmation_required', 'declined', 'nothing_to_cancel', 'batch_loading', 'batch_cancelled'],
  ...['cap_used_up', 'rows_withheld', 'not_finished', 'timed_out', 'interrupted', 'rows_without_answer'],
  ...['configuration', 'no_api_key', 'api_key_refused', 'another_api', 'foreign_redis', 'newer_store'],
  ...['batch_dropped', 'refused_by_system', 'unexpected'],
] as const
export type ErrorCode = (typeof ERROR_CODES)[number]

export abstract class ReportedError extends Error {
  abstract readonly exitCode: ExitCode
  readonly code: ErrorCode
  /** What to do next. `message` ends with it. Null: the message says it in its own way. */
  readonly hint: string | null

  constructor(message: string, code: ErrorCode, { hint = null, ...options }: HintOptions = {}) {
    super(hint === null ? message : `${message} ${hint}`, options)
    this.code = code
    this.hint = hint
  }

  override get name(): string {
    return this.constructor.name
  }
}

interface HintOptions extends ErrorOptions {
  readonly hint?: string | null
}

interface ReportedOptions extends HintOptions {
  /** Default: that of the class. */
  readonly code?: ErrorCode
}

/** The command's arguments are wrong, or its input cannot be used at all. */
export class UsageError extends ReportedError {
  readonly exitCode = 2

  constructor(message: string, { code = 'usage', ...options }: ReportedOptions = {}) {
    super(message, code, options)
  }
}

/** The catalog cannot be read as one. */
export class CatalogError extends UsageError {
  constructor(message: string, options: HintOptions = {}) {
    super(message, { code: 'unusable_catalog', ...options })
  }
}

/** The export cannot be written where it should be. */
export class OutputError extends UsageError {
  constructor(message: string, options: HintOptions = {}) {
    super(message, { code: 'unusable_output', ...options })
  }
}

/** Redis, the store or the API cannot be reached or does not work. */
export class UnreachableError extends ReportedError {
  readonly exitCode = 3

  constructor(message: string, { code = 'unreachable', ...options }: ReportedOptions = {}) {
    super(message, code, options)
  }
}

/** Refused for safety: nothing was changed, nothing was spent. */
export class RefusedError extends ReportedError {
  readonly exitCode = 4

  constructor(message: string, { code = 'refused', ...options }: ReportedOptions = {}) {
    super(message, code, options)
  }
}

/** Not finished within the given time. */
export class NotFinishedError extends ReportedError {
  readonly exitCode = 5

  constructor(message: string, { code = 'not_finished', ...options }: ReportedOptions = {}) {
    super(message, code, options)
  }
}

/** Done, but rows have no answer: they are dead, invalid or cancelled. */
export class RowsWithoutAnswerError extends ReportedError {
  readonly exitCode = 6

  constructor(message: string, options: HintOptions = {}) {
    super(message, 'rows_without_answer', options)
  }
}

/** Ended early, and nothing was spent: interrupted before a release, or the batch was dropped. */
export class EndedEarlyError extends ReportedError {
  readonly exitCode = 1

  constructor(message: string, { code = 'interrupted', ...options }: ReportedOptions = {}) {
    super(message, code, options)
  }
}

/** The configuration cannot work: settings, a newer schema, another store's Redis. */
export class ConfigurationError extends ReportedError {
  readonly exitCode = 78

  constructor(message: string, { code = 'configuration', ...options }: ReportedOptions = {}) {
    super(message, code, options)
  }
}

/** What the system, SQLite or a library calls an error (`ENOENT`, `SQLITE_BUSY`); empty where it has no code. */
export function errorCode(error: unknown): string {
  return typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : ''
}
