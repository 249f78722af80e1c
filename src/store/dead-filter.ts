import type { DeathReason } from '../domain/dead-letter.js'
import type { Queries, SqlParameters } from './engine.js'
import { MATCHES_NAME_SQL, onlyMatch, requireSearchName } from './search-ref.js'

/** Which dead letters; all that is given must match. */
export interface DeadFilter {
  readonly reason?: DeathReason
  /** HTTP status. Null: without one. */
  readonly status?: number | null
  readonly batchId?: number
  /** The API's error code. Null: letters without one. */
  readonly code?: string | null
  /** Part of the query, or of what the API said. */
  readonly text?: string
  /** A fingerprint or a prefix of it (6 digits or more) that only one dead letter has. */
  readonly search?: string
  /**
   * True: only discarded ones. False: only those not discarded. Default: false, or both if `search`
   * names one.
   */
  readonly discarded?: boolean
}

/** A condition over `search`, and its parameters. */
export interface Condition {
  readonly text: string
  readonly parameters: SqlParameters
}

export function and({ text, parameters }: Condition, more: string, others: SqlParameters = {}): Condition {
  return { text: `${text} and ${more}`, parameters: { ...parameters, ...others } }
}

const DEAD: Condition = { text: "search.state = 'dead'", parameters: {} }
/** Not discarded. */
export const LISTED = and(DEAD, 'search.discarded = 0')

/** Selects a `Death` from a dead row of `search`. */
export const DEATH_COLUMNS = `death_reason as reason, death_status as status, coalesce(death_error, '') as error,
  death_code as code, death_message as message, death_request_id as "requestId",
  coalesce(death_remedy, '') as remedy`

/** See `DeadLetter.maybe_paid`. */
export const MAYBE_PAID_SQL = `(search.death_reason = 'unreadable' or exists (
  select 1 from call where call.search_id = search.id and call.outcome = 'unknown'))`

// The request is stored as JSON, where quotes and backslashes are escaped.
const MENTIONS_SQL = `($contains(search.request, @textInJson) or $contains(search.death_error, @text)
  or $contains(search.death_message, @text))`

/** @throws UsageError when `search` is no prefix of a fingerprint, or of several */
export async function matching(tx: Queries, filter: DeadFilter): Promise<Condition> {
  const { reason, status, batchId, code, text, search, discarded = search === undefined ? false : null } = filter
  let all: Condition = DEAD
  const restrict = (more: string, others: SqlParameters = {}): void => {
    all = and(all, more, others)
  }
  if (search !== undefined) {
    const name = requireSearchName(search)
    await onlyMatch(tx, search, name, DEAD.text)
    restrict(MATCHES_NAME_SQL, { ...name })
  }
  if (discarded !== null) restrict(`search.discarded = ${discarded ? 1 : 0}`)
  if (reason !== undefined) restrict('search.death_reason = @reason', { reason })
  if (status !== undefined) restrict('search.death_status is not distinct from @status', { status })
  if (code !== undefined) restrict('search.death_code is not distinct from @code', { code })
  if (text !== undefined) restrict(MENTIONS_SQL, { text, textInJson: withinJson(text) })
  if (batchId !== undefined)
    restrict('exists (select 1 from want where want.batch_id = @batchId and want.search_id = search.id)', { batchId })
  return all
}

/** As it is written inside a string of a JSON text. */
export function withinJson(text: string): string {
  return JSON.stringify(text).slice(1, -1)
}
