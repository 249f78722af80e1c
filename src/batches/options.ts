import { UsageError } from '../domain/errors.js'
import { formatDateTime } from '../domain/format.js'
import { LONGEST_LABEL, readLabel } from '../domain/label.js'
import { PRIORITIES } from '../domain/states.js'
import type { Caps } from '../store/store.js'

/**
 * Validates a batch's options, for the command line and for scripts. SQLite stores NaN as null, so
 * `maxCredits: Number(undefined)` would mean no cap. A negative age would buy every answer again. A search
 * with an unknown priority would wait forever.
 */

/** @throws UsageError */
export function checkCaps(caps: Caps): void {
  checkCap('most credits', caps.maxCredits, 0)
  // 0 would release nothing and look like a success.
  checkCap('number of searches to try first', caps.first, 1)
}

function checkCap(what: string, cap: number | null, least: number): void {
  if (cap === null || (Number.isSafeInteger(cap) && cap >= least)) return
  throw new UsageError(`Expected the ${what} to be a whole number, ${least} or more, found ${String(cap)}.`)
}

/**
 * @returns the name without white space around it
 * @throws UsageError; the name is `unknown` because a script without types may leave it out
 */
export function checkName(name: unknown): string {
  return checkLabel("the batch's name", name)
}

/** The same, for the reason of a pause: `status` and Bull Board show it in one line. @throws UsageError */
export function checkReason(reason: unknown): string {
  return checkLabel('the reason', reason)
}

function checkLabel(what: string, text: unknown): string {
  const plain = readLabel(text)
  if (plain !== null) return plain
  throw new UsageError(
    `Expected ${what} to be one line of text, 1 to ${LONGEST_LABEL} characters, found ${typeof text === 'string' ? JSON.stringify(text) : String(text)}.`,
  )
}

/** @throws UsageError */
export function checkPriority(priority: string | undefined): void {
  if (priority === undefined || PRIORITIES.some((known) => known === priority)) return
  throw new UsageError(`Expected one of ${PRIORITIES.join(', ')} as the priority, found "${priority}".`)
}

/**
 * In whole milliseconds: in floating point, 0.7 days are a fraction off.
 * @throws UsageError
 */
export function checkMaxAge(days: number | undefined): number | null {
  if (days === undefined) return null
  const ms = Math.round(days * DAY_MS)
  if (ms >= 0 && ms <= Number.MAX_SAFE_INTEGER) return ms
  throw new UsageError(`Expected the age of reused answers to be 0 days or more, found ${String(days)}.`)
}

export interface Times {
  /** Null: at once. */
  readonly notBefore: number | null
  /** Null: none. */
  readonly deadline: number | null
}

/**
 * In ms. A start that has passed is now, since a script may be late; one more than a day ago is a mistake.
 * @throws UsageError
 */
export function checkTimes(
  options: { readonly notBefore?: Date | undefined; readonly deadline?: Date | undefined },
  now: number,
): Times {
  const notBefore = timeOf(options.notBefore)
  const deadline = timeOf(options.deadline)
  if (notBefore !== null && notBefore < now - DAY_MS)
    throw new UsageError(
      `Expected the start to be in the future, found ${formatDateTime(notBefore)}. Leave it out to start now.`,
    )
  const start = notBefore !== null && notBefore > now ? notBefore : null
  if (deadline !== null && deadline <= (start ?? now))
    throw new UsageError(
      `Expected the deadline to be after ${start === null ? 'now' : 'the start'}, found ${formatDateTime(deadline)}.`,
    )
  return { notBefore: start, deadline }
}

/** @param value a script without types may pass anything */
function timeOf(value: unknown): number | null {
  if (value === undefined || value === null) return null
  const at = value instanceof Date ? value.getTime() : Number.NaN
  if (Number.isFinite(at)) return at
  throw new UsageError('Expected a date for notBefore and deadline.')
}

const DAY_MS = 24 * 60 * 60 * 1000
