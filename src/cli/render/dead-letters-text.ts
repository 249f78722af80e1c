import type { DeadLetter } from '../../domain/dead-letter.js'
import { formatDateTime, formatNumber, formatTable, pluralize, truncate } from '../../domain/format.js'
import { releaseCommand } from '../../store/batch-row.js'
import type { BatchReport, Retried } from '../../store/store.js'
import type { Paint } from '../lib/cli.js'

const SHOWN = 20
export const NONE_MATCHES = 'No dead letter matches.'

/**
 * Groups by cause, with count and remedy; then the first letters themselves, one screen of them.
 */
export function renderDeadLetters(
  letters: readonly DeadLetter[],
  {
    discarded,
    isFiltered,
    withInvalid,
  }: { readonly discarded: boolean; readonly isFiltered: boolean; readonly withInvalid: BatchReport | null },
  paint: Paint,
): string {
  if (letters.length === 0) {
    if (isFiltered) return NONE_MATCHES
    return discarded ? 'No dead letter was discarded.' : `No dead letters.${invalidRows(withInvalid)}`
  }
  const groups = [...groupedByCause(letters)].sort(([, a], [, b]) => b.length - a.length)
  const lines = [paint.bold(`${pluralize(letters.length, 'dead letter')}${discarded ? ', discarded' : ''}`)]
  for (const [cause, group] of groups) {
    lines.push('', paint.bad(`${formatNumber(group.length)} × ${cause}`), `  ${group[0]?.remedy ?? ''}`)
  }
  lines.push('', deadLetterTable(letters.slice(0, SHOWN)))
  if (letters.length > SHOWN) {
    lines.push(
      `… and ${formatNumber(letters.length - SHOWN)} more: narrow it with --status, --code or --batch, or use --json`,
    )
  }
  if (discarded) lines.push('', 'To retry a discarded one: trackyard-batch dead-letters retry SEARCH')
  return lines.join('\n')
}

function invalidRows(report: BatchReport | null): string {
  if (report === null) return ''
  const { id, invalid } = report.batch
  return ` ${pluralize(invalid, 'row')} of batch ${id} ${invalid === 1 ? 'is' : 'are'} invalid: \`trackyard-batch report ${id}\` lists the reasons, and the export has them in each row.`
}

function groupedByCause(letters: readonly DeadLetter[]): Map<string, DeadLetter[]> {
  const groups = new Map<string, DeadLetter[]>()
  for (const letter of letters) {
    const cause = causeOf(letter)
    const group = groups.get(cause)
    if (group === undefined) groups.set(cause, [letter])
    else group.push(letter)
  }
  return groups
}

/** "400 invalid_parameters: hit_point_seconds requires duration_seconds" */
function causeOf({ status, code, error }: DeadLetter): string {
  const named = [status === null ? '' : String(status), code ?? ''].filter((part) => part !== '').join(' ')
  return named === '' ? truncate(error, 100) : `${named}: ${truncate(error, 100)}`
}

function deadLetterTable(letters: readonly DeadLetter[]): string {
  const rows = letters.map((letter) => [
    letter.search.slice(0, 12),
    letter.status === null ? '-' : String(letter.status),
    formatNumber(letter.items),
    formatDateTime(Date.parse(letter.died_at)),
    truncate(letter.query, 60),
  ])
  return formatTable([['search', 'status', 'rows', 'died', 'query'], ...rows], [1, 2])
}

export function renderDeadLetter(letter: DeadLetter): string {
  const rows: [string, string][] = [
    ['search', letter.search],
    ['query', truncate(letter.query, 500)],
    ['status', letter.status === null ? 'none' : String(letter.status)],
    ['error', truncate(letter.error, 500)],
  ]
  if (letter.code !== null) rows.push(['code', letter.code])
  if (letter.message !== null) rows.push(['message', truncate(letter.message, 500)])
  if (letter.request_id !== null) rows.push(['request id', letter.request_id])
  rows.push(
    ['attempts', formatNumber(letter.attempts)],
    ['rows', formatNumber(letter.items)],
    ['died', formatDateTime(Date.parse(letter.died_at))],
    ['remedy', letter.remedy],
  )
  if (letter.maybe_paid) rows.push(['costs', 'a retry may be charged again: an earlier call may be paid for already'])
  return `${formatTable(rows)}\n\nEvery call: trackyard-batch show ${letter.search.slice(0, 12)}`
}

/** "2 searches are due again" */
export function dueAgainText(count: number): string {
  return `${pluralize(count, 'search')} ${count === 1 ? 'is' : 'are'} due again`
}

/** What was retried, and why part of it is not due. */
export function renderRetried({ retried, due, withheld }: Retried): string {
  const unwanted = retried - due - withheld
  const lines = [due === 0 ? 'None of them is due.' : `${dueAgainText(due)}.`]
  if (withheld > 0)
    lines.push(`${formatNumber(withheld)} withheld by a cap: release them with \`${releaseCommand(null)}\`.`)
  if (unwanted > 0)
    lines.push(
      `${formatNumber(unwanted)} wanted by no released batch (cancelled batches want nothing): submit them again to make them due.`,
    )
  return lines.join(' ')
}
