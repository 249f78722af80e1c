import { truncate } from '../domain/format.js'
import { isRecord } from '../domain/json.js'

/**
 * Job titles in Bull Board's lists: the query instead of the same word `search` a thousand times.
 * Job data in Redis may have been written by anyone, so none of it is trusted. Missing parts fall
 * back to the job's own name.
 */

const LONGEST = 120

export interface NamedJob {
  readonly name: string
  readonly data: unknown
}

/** `calm piano` */
export function searchJobName(job: NamedJob): string {
  return queryOf(job.data) ?? job.name
}

/** `400 invalid_parameters · calm piano` */
export function deadLetterName(job: NamedJob): string {
  const { status, code, error } = fieldsOf(job.data)
  const decision = [status, code ?? error].flatMap((part) =>
    typeof part === 'number' ? [String(part)] : typeof part === 'string' ? [truncate(part, LONGEST)] : [],
  )
  const parts = [decision.join(' '), queryOf(job.data)].filter((part) => part !== '' && part !== null)
  return parts.length === 0 ? job.name : parts.join(' · ')
}

function queryOf(data: unknown): string | null {
  const { query } = fieldsOf(data)
  if (typeof query !== 'string' || query === '') return null
  return truncate(query, LONGEST)
}

function fieldsOf(data: unknown): Readonly<Record<string, unknown>> {
  return isRecord(data) ? data : {}
}
