import type { RowStatus, SearchState } from '../../src/domain/states.js'
import type { Evidence, ExportedBatch } from './evidence.js'

/**
 * Checks promise 1: "every row of the input is in the export, in input order, with exactly one status". Rows that share
 * a search must have the same status, in whichever batch they are.
 */

export interface RowFigures {
  readonly rows: number
  readonly rowsLost: number
  readonly rowsWithTwoStatuses: number
}

/** A status that follows from the search alone. */
const SEARCH_STATUSES: readonly RowStatus[] = ['tagged', 'no_match', 'dead']

export function judgeRows(evidence: Evidence): { figures: RowFigures; violations: readonly string[] } {
  const statesByQuery = new Map(evidence.audit.searches.map(({ query, state }) => [query, state]))
  const statusByQuery = new Map<string, RowStatus>()
  const violations: string[] = []
  let rowsLost = 0
  let rowsWithTwoStatuses = 0
  for (const batch of evidence.batches) {
    if (batch.exported === null) violations.push(`${batch.name}: it could not be submitted or exported`)
    const { byPosition, doubled } = linesOf(batch)
    rowsWithTwoStatuses += doubled.length
    violations.push(...doubled.map((position) => `${batch.name}: row ${position} is in the export more than once`))
    batch.expected.forEach(({ id, query }, index) => {
      const line = byPosition.get(index + 1)
      const where = `${batch.name}, row ${index + 1} (${id}, "${query ?? 'invalid'}")`
      if (line === undefined) {
        rowsLost += 1
        violations.push(`${where}: lost`)
        return
      }
      if (query !== null && line.id !== id) violations.push(`${where}: exported with the id ${line.id}`)
      const wrong = problemWith(
        line.status,
        query,
        batch.cancelled,
        query === null ? undefined : statesByQuery.get(query),
      )
      if (wrong !== null) violations.push(`${where}: ${wrong}`)
      if (query === null || !SEARCH_STATUSES.includes(line.status)) return
      const elsewhere = statusByQuery.get(query) ?? line.status
      if (elsewhere !== line.status) {
        rowsWithTwoStatuses += 1
        violations.push(`${where}: ${line.status} here and ${elsewhere} elsewhere`)
      }
      statusByQuery.set(query, line.status)
    })
    const surplus = byPosition.size - batch.expected.filter((_, index) => byPosition.has(index + 1)).length
    if (surplus > 0) violations.push(`${batch.name}: ${surplus} rows that were not submitted`)
  }
  return { figures: { rows: countRows(evidence), rowsLost, rowsWithTwoStatuses }, violations }
}

function linesOf(batch: ExportedBatch) {
  const byPosition = new Map<number, NonNullable<ExportedBatch['exported']>[number]>()
  const doubled: number[] = []
  for (const line of batch.exported ?? []) {
    if (byPosition.has(line.position)) doubled.push(line.position)
    byPosition.set(line.position, line)
  }
  return { byPosition, doubled }
}

/** Null: the status follows from the state of the row's search. */
function problemWith(
  status: RowStatus,
  query: string | null,
  cancelled: boolean,
  state: SearchState | undefined,
): string | null {
  if (query === null) return status === 'invalid' ? null : `is invalid, but exported as ${status}`
  switch (state) {
    case 'answered':
      return status === 'tagged' || status === 'no_match' ? null : `is answered, but exported as ${status}`
    case 'dead':
      return status === 'dead' ? null : `is dead, but exported as ${status}`
    case 'waiting':
    case 'queued':
      return cancelled && status === 'cancelled' ? null : `has no outcome, but is exported as ${status}`
    case undefined:
      return `its search is not in the store, but it is exported as ${status}`
    default:
      return state satisfies never
  }
}

function countRows({ batches }: Evidence): number {
  return batches.reduce((sum, { expected }) => sum + expected.length, 0)
}
