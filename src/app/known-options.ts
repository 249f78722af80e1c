import { didYouMean } from '../domain/did-you-mean.js'
import { UsageError } from '../domain/errors.js'
import { isRecord } from '../domain/json.js'
import type { DeadLetterFilter, SubmitOptions } from './batch-client.js'

export const SUBMIT_OPTIONS = Object.keys({
  name: true,
  query: true,
  id: true,
  limit: true,
  filters: true,
  priority: true,
  maxCredits: true,
  first: true,
  maxAgeDays: true,
  notBefore: true,
  deadline: true,
  delimiter: true,
  encoding: true,
  headerRow: true,
  continues: true,
  onProgress: true,
} satisfies Record<Exclude<keyof SubmitOptions, 'signal'>, true>)

export const FILTER_OPTIONS = Object.keys({
  batch: true,
  status: true,
  code: true,
  search: true,
} satisfies Record<Exclude<keyof DeadLetterFilter, 'signal'>, true>)

/**
 * A script without types may misspell an option: `max_credits` would be no cap, and `statuss` every dead letter.
 * @throws UsageError
 */
export function refuseUnknownOptions(options: unknown, known: readonly string[]): void {
  if (!isRecord(options)) throw new UsageError(`Expected options as an object, found ${String(options)}.`)
  const unknown = Object.keys(options).find((name) => !known.includes(name))
  if (unknown === undefined) return
  const near = didYouMean(unknown, known)
  throw new UsageError(`There is no option "${unknown}"${near === null ? '' : `: did you mean ${near}?`}`, {
    hint: `The options are ${known.join(', ')}.`,
  })
}
