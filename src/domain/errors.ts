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

export interface ReportedErrorOptions extends ErrorOptions {
  /** Default: that of the class. */
  readonly code?: ErrorCode
  /** What to do next; `message` ends with it. Default: what `splitHint` finds in the message. */
  readonly hint?: string | null
}

export abstract class ReportedError extends Error {
  protected static readonly defaultCode: ErrorCode
  abstract readonly exitCode: ExitCode
  readonly code: ErrorCode
  /** What to do next. `message` ends with it. */
  readonly hint: string | null

  constructor(message: string, { code, hint = null, ...options }: ReportedErrorOptions = {}) {
    super(hint === null ? message : `${message} ${hint}`, options)
    this.code = code ?? new.target.defaultCode
    this.hint = hint ?? splitHint(message).hint
  }

  override get name(): string {
    return this.constructor.name
  }
}

/** The command's arguments are wrong, or its input cannot be used at all. */
export class UsageError extends ReportedError {
  protected static override readonly defaultCode: ErrorCode = 'usage'
  readonly exitCode = 2
}

/** The catalog cannot be read as one. */
export class CatalogError extends UsageError {
  protected static override readonly defaultCode: ErrorCode = 'unusable_catalog'
}

/** The export cannot be written where it should be. */
export class OutputError extends UsageError {
  protected static override readonly defaultCode: ErrorCode = 'unusable_output'
}

/** Redis, the store or the API cannot be reached or does not work. */
export class UnreachableError extends ReportedError {
  protected static override readonly defaultCode: ErrorCode = 'unreachable'
  readonly exitCode: ExitCode = 3
}

/** The store was copied elsewhere while this process had it open: it takes no more changes, and waiting does not help. */
export class StoreMovedError extends UnreachableError {
  protected static override readonly defaultCode: ErrorCode = 'configuration'
  override readonly exitCode = 78
}

/** Refused for safety: nothing was changed, nothing was spent. */
export class RefusedError extends ReportedError {
  protected static override readonly defaultCode: ErrorCode = 'refused'
  readonly exitCode = 4
}

/** Not finished within the given time. */
export class NotFinishedError extends ReportedError {
  protected static override readonly defaultCode: ErrorCode = 'not_finished'
  readonly exitCode = 5
}

/** Done, but rows have no answer: they are dead, invalid or cancelled. */
export class RowsWithoutAnswerError extends ReportedError {
  protected static override readonly defaultCode: ErrorCode = 'rows_without_answer'
  readonly exitCode = 6
}

/** Ended early, and nothing was spent: interrupted before a release, or the batch was dropped. */
export class EndedEarlyError extends ReportedError {
  protected static override readonly defaultCode: ErrorCode = 'interrupted'
  readonly exitCode = 1
}

/** The configuration cannot work: settings, a newer schema, another store's Redis. */
export class ConfigurationError extends ReportedError {
  protected static override readonly defaultCode: ErrorCode = 'configuration'
  readonly exitCode = 78
}

/** What the system, SQLite or a library calls an error (`ENOENT`, `SQLITE_BUSY`); empty where it has no code. */
export function errorCode(error: unknown): string {
  return typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : ''
}

/**
 * Splits a message without a `hint` of its own: what happened, and then what to do. The hint is its last line if it has
 * several, else everything from its second sentence on.
 */
export function splitHint(text: string): { readonly message: string; readonly hint: string | null } {
  const lines = text.split('\n')
  if (lines.length > 1) return { message: lines.slice(0, -1).join('\n'), hint: lines.at(-1) ?? null }
  const [, message = text, hint = null] = /^(.+?[.?!])\s+([A-Z`].*)$/.exec(text) ?? []
  return { message, hint }
}
