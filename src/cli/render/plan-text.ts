import type { BatchPlan } from '../../app/submit.js'
import { hoursInWords, isByNight } from '../../domain/active-hours.js'
import {
  formatDuration,
  formatNumber,
  formatTime,
  formatTimeAndWait,
  pluralize,
  truncate,
} from '../../domain/format.js'
import { pauseSummary } from '../../domain/pause.js'
import type { SearchRequest } from '../../domain/request.js'
import type { Plan } from '../../store/store.js'
import type { Paint } from '../lib/cli.js'

const QUERY_WIDTH = 100

/**
 * The plan, shown before anything is spent: what is in the catalog, what it costs, how long it
 * takes.
 */
export function renderPlan(plan: BatchPlan, paint: Paint): string {
  return [
    paint.bold(`${truncate(plan.name, 60)}: ${pluralize(plan.rows, 'row')}`),
    ...readLine(plan.notes),
    ...continuesLines(plan),
    ...rowLines(plan, paint),
    ...replacedLine(plan.replacedColumns),
    ...searchLines(plan),
    ...costLines(plan),
    ...planWarnings(plan).map((line) => paint.warn(line)),
    ...exampleLines(plan.examples, paint),
  ].join('\n')
}

export function planWarnings(plan: BatchPlan): string[] {
  return [...stopped(plan), ...lateness(plan), ...shortfall(plan), ...plan.doubts, ...plan.warnings]
}

function readLine(notes: readonly string[]): string[] {
  return notes.length === 0 ? [] : [text('read as', notes.join(', '))]
}

/** How the catalog differs from that of the batch that it continues. */
function continuesLines({ continues }: BatchPlan): string[] {
  if (continues === null) return []
  const { changes, name, byId } = continues
  const counts = [
    `${formatNumber(changes.new)} new`,
    ...(byId ? [`${formatNumber(changes.changed)} changed`] : []),
    `${formatNumber(changes.gone)} gone`,
    `${formatNumber(changes.unchanged)} unchanged`,
  ]
  const hint = byId ? '' : ' (rows compared by their search; --id COLUMN compares them by your id)'
  return [text('continues', `batch ${changes.batch} (${truncate(name, 40)}): ${counts.join(', ')}${hint}`)]
}

function rowLines(plan: Plan, paint: Paint): string[] {
  if (plan.invalid === 0) return []
  const shown = plan.invalidReasons.map((reason) => paint.dim(`                    ${truncate(reason, QUERY_WIDTH)}`))
  const more = plan.invalid - plan.invalidReasons.length
  if (more > 0 && shown.length > 0) shown.push(paint.dim(`                    … and ${formatNumber(more)} more`))
  return [paint.warn(entry('invalid', plan.invalid, 'kept in the export with the reason, never searched')), ...shown]
}

/** How many column names to list. */
const NAMED = 2

function replacedLine(columns: readonly string[]): string[] {
  if (columns.length === 0) return []
  const named = columns.slice(0, NAMED).map((column) => truncate(column, 40))
  if (columns.length > NAMED) named.push('…')
  return [`Columns of an earlier export (${named.join(', ')}) are replaced in a CSV export.`]
}

function searchLines(plan: Plan): string[] {
  const duplicates = plan.accepted - plan.searches
  const lines = [
    entry(
      'searches',
      plan.searches,
      duplicates === 0
        ? 'no two rows share a search'
        : `${pluralize(duplicates, 'row')} ${duplicates === 1 ? 'repeats' : 'repeat'} the search of another`,
    ),
  ]
  if (plan.alreadyAnswered > 0) lines.push(entry('  answered', plan.alreadyAnswered, 'reused for free'))
  if (plan.alreadyQueued > 0) lines.push(entry('  queued', plan.alreadyQueued, 'by an earlier batch, which pays'))
  if (plan.alreadyDead > 0) {
    lines.push(entry('  dead', plan.alreadyDead, `not retried by a submit; ${whereDead(plan)}`))
  }
  lines.push(entry('  new', plan.creditsNeeded, ''))
  return lines
}

function whereDead({ alreadyDead, discarded }: Plan): string {
  const listed = 'see `trackyard-batch dead-letters`'
  if (discarded === 0) return listed
  const off = 'see `trackyard-batch dead-letters list --discarded`'
  return discarded === alreadyDead ? `discarded: ${off}` : `${listed}; ${formatNumber(discarded)} discarded: ${off}`
}

function costLines(plan: BatchPlan): string[] {
  const { estimate, cap, now, accountStaleReason, isRateKnown } = plan
  const capped =
    cap !== null && plan.creditsNeeded > estimate.creditsNeeded
      ? `capped; ${pluralize(plan.creditsNeeded - estimate.creditsNeeded, 'search')} withheld until you release them`
      : plan.creditsNeeded === 0
        ? plan.alreadyQueued === 0
          ? 'everything is known already'
          : 'everything is known or queued already'
        : ''
  const left = estimate.creditsRemaining === null ? 'unknown' : formatNumber(estimate.creditsRemaining)
  const rate = pluralize(estimate.callsPerMinute, 'call')
  const perDay = estimate.callsPerDay === null ? '' : `, ${formatNumber(estimate.callsPerDay)} a day`
  const assumed = isRateKnown ? '' : " (the lowest tier's, until the account is known)"
  const before = plan.dueElsewhere === 0 ? '' : `, with ${pluralize(plan.dueElsewhere, 'search')} of other batches`
  const finish =
    estimate.durationMs === 0
      ? 'at once'
      : `${formatTimeAndWait(estimate.finishAt, now)}${before} (${startOf(plan)}nothing else uses the key)`
  return [
    entry('credits needed', estimate.creditsNeeded, capped),
    text('credits left', accountStaleReason === null ? left : `${left} (${accountStaleReason})`),
    text('rate limit', `${rate} a minute${perDay}${assumed}`),
    ...hoursLine(plan),
    ...(plan.notBefore === null ? [] : [text('start', formatTimeAndWait(plan.notBefore, now))]),
    text('finish', finish),
    ...(plan.meetsDeadline === true ? [text('deadline', `${formatTime(plan.deadline ?? now, now)} will be met`)] : []),
  ]
}

/** What the finish time counts from. */
function startOf({ notBefore, rateLimitedUntil, now }: BatchPlan): string {
  if (rateLimitedUntil !== null && rateLimitedUntil > (notBefore ?? now))
    return `after the rate limit, which ends at ${formatTime(rateLimitedUntil, now)}, if `
  return notBefore === null ? 'if it starts now and ' : 'if '
}

/** "22:00-06:00, Europe/Berlin: 3 nights" */
function hoursLine({ activeHours, estimate }: BatchPlan): string[] {
  if (activeHours === null) return []
  const { periods, durationMs } = estimate
  const word = isByNight(activeHours.hours) ? 'night' : 'period'
  const count = periods === null || durationMs === 0 ? '' : `: ${pluralize(periods, word)}`
  return [text('active hours', `${hoursInWords(activeHours)}${count}`)]
}

function lateness({ deadline, meetsDeadline, estimate, pause, now }: BatchPlan): string[] {
  if (deadline === null || meetsDeadline === true) return []
  if (meetsDeadline === null) {
    const missing = estimate.creditsMissing ?? 0
    const why = [
      ...(pause === null || pause.cause === 'outside_hours' ? [] : ['when the pause will end']),
      ...(missing > 0 ? [`when there will be ${pluralize(missing, 'more credit')}`] : []),
    ]
    return [`Whether it will meet its deadline (${formatTime(deadline, now)}) depends on ${why.join(' and ')}.`]
  }
  return [
    `It will miss its deadline (${formatTime(deadline, now)}) by ${formatDuration(estimate.finishAt - deadline)}. To have some results in time: --first N, or --priority high.`,
  ]
}

/** Why nothing moves now: the finish time does not include it. */
function stopped({ estimate, pause, now }: BatchPlan): string[] {
  if (estimate.durationMs === 0 || pause === null || pause.cause === 'outside_hours') return []
  return [`${pauseSummary(pause, formatTime(pause.since, now))} The finish time counts from when it resumes.`]
}

/** What to do if credits or the daily limit do not suffice. */
function shortfall({ estimate, creditReserve }: BatchPlan): string[] {
  const lines: string[] = []
  if (estimate.creditsMissing !== null && estimate.creditsMissing > 0) {
    const reserve = creditReserve > 0 ? ` above the reserve of ${formatNumber(creditReserve)}` : ''
    const allowances =
      estimate.allowancesNeeded === null
        ? ''
        : ` ${pluralize(estimate.allowancesNeeded, 'monthly allowance')} more would cover this.`
    lines.push(
      `${pluralize(estimate.creditsMissing, 'credit')} short${reserve}: the queue pauses when credits run out and resumes after a top-up.` +
        `${allowances} To spend less now: --max-credits N.`,
    )
  }
  if (estimate.days > 1) {
    const why =
      estimate.callsPerDay === null
        ? `takes ${formatDuration(estimate.durationMs)}`
        : 'does not fit into one daily limit'
    lines.push(
      `This ${why}: about ${pluralize(estimate.days, 'day')}. To see some results first: --first N; a higher tier is faster.`,
    )
  }
  return lines
}

function exampleLines(examples: readonly SearchRequest[], paint: Paint): string[] {
  if (examples.length === 0) return []
  return ['first queries', ...examples.map((request) => `  ${renderRequest(request, paint)}`)]
}

export function renderRequest(request: SearchRequest, paint: Paint): string {
  const offset = request.offset === 0 ? '' : `, offset ${formatNumber(request.offset)}`
  const filters =
    request.filters === undefined ? '' : `, filters ${truncate(JSON.stringify(request.filters), QUERY_WIDTH)}`
  return `${truncate(request.query, QUERY_WIDTH)} ${paint.dim(`(limit ${request.limit}${offset}${filters})`)}`
}

const LABEL = 16
const FIGURE = 10

function entry(label: string, count: number, note: string): string {
  return `${label.padEnd(LABEL)}${formatNumber(count).padStart(FIGURE)}${note === '' ? '' : `  ${note}`}`
}

function text(label: string, value: string): string {
  return `${label.padEnd(LABEL)}  ${value}`
}
