import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { raw } from 'hono/html'
import { batchStatus } from '../batches/status.js'
import type { BatchStatus } from '../batches/status-report.js'
import type { FileKind } from '../catalog/export/export-target.js'
import { parseTracks } from '../domain/answer.js'
import { formatDuration, formatNumber, formatRowCounts, pluralize } from '../domain/format.js'
import { CALL_OUTCOMES } from '../domain/outcome.js'
import { deriveTags, type Track } from '../domain/tags.js'
import type { BatchOutcome, DeadLetterGroup, InvalidGroup } from '../store/findings.js'
import type { Batch, BatchReport, Store } from '../store/store.js'
import type { TimelineEntry } from '../store/timeline.js'
import { BatchFigures, InvalidRows } from './pages/batch.js'
import { doneOf, StatusBar, stateOf } from './pages/batch-list.js'
import { type ChartData, chartData, chartWindowBetween } from './pages/chart-data.js'
import { Charts, stopName } from './pages/charts.js'
import { DeadLetterGroups } from './pages/dead-letters.js'
import { usePage } from './pages/layout.js'
import { Panel } from './pages/parts.js'
import { render } from './pages/respond.js'
import { batchTimeline, Timeline } from './pages/timeline.js'

/** The morning report: one self-contained HTML file, built from the same parts as the pages. */
type ReportSource = Pick<Store, 'reports' | 'activity' | 'timeline'>

export interface ReportData {
  readonly batch: Batch
  readonly status: BatchStatus
  readonly outcome: BatchOutcome
  readonly charts: ChartData
  readonly timeline: readonly TimelineEntry[]
  readonly deadLetters: readonly DeadLetterGroup[]
  readonly invalid: readonly InvalidGroup[]
  readonly agreement: Agreement | null
}

/** How far the tracks of an answer agree with the tags made of them. 0 to 1. */
export interface Agreement {
  /** Answers looked at. */
  readonly answers: number
  readonly genre: number | null
  readonly energyLevel: number | null
  readonly hasVocals: number | null
}

const MOST_ANSWERS = 2000

export const REPORT_FILE: FileKind = { name: 'a report', start: /^<!doctype html><html.{1,300}<title>Report: /s }

/** @returns the text of the file */
export async function renderReport(store: ReportSource, report: BatchReport, now: number): Promise<string> {
  const data = await reportData(store, report, now)
  return `${render({ base: '', now, readOnly: true, isFile: true, deadLetters: 0 }, <Report data={data} />)}\n`
}

async function reportData(store: ReportSource, report: BatchReport, now: number): Promise<ReportData> {
  const { batch } = report
  const outcome = await store.reports.batchOutcome(batch.id)
  const from = outcome.firstCallAt ?? batch.createdAt
  const to = batch.completedAt ?? now
  const window = chartWindowBetween(from, to)
  const status = batchStatus(report)
  const activity = await store.activity.read({ ...window, now, batchId: batch.id })
  const ofBatch = { from, rows: status.rows, rowsDone: doneOf(status), charged: status.credits_spent }
  return {
    batch,
    status,
    outcome,
    charts: chartData(activity, window, ofBatch),
    timeline: await batchTimeline(batch, store.timeline, now),
    deadLetters: await store.reports.deadLetterGroups({ batchId: batch.id }),
    invalid: batch.invalid === 0 ? [] : await store.reports.invalidGroups(batch.id),
    agreement: agreementOf(await store.reports.someAnswers(batch.id, MOST_ANSWERS)),
  }
}

function Report({ data }: { readonly data: ReportData }) {
  const { batch, status, charts, timeline, deadLetters, invalid, agreement, outcome } = data
  const { now } = usePage()
  return (
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <title>{`Report: ${batch.name}`}</title>
        {/* Our own style sheet, which contains no markup. */}
        <style>{raw(STYLES)}</style>
      </head>
      <body>
        <main>
          <div class="page-head">
            <h1>{batch.name}</h1>
            <p class="reason">{summaryOf(data, now)}</p>
            <p class="quiet">
              Batch {batch.id}, {stateOf(status)}
              {batch.catalogPath === null ? '' : `, from ${batch.catalogPath}`}
            </p>
          </div>
          <section class="panel" aria-label="Rows by status">
            <StatusBar batch={status} />
          </section>
          <BatchFigures status={status} batch={batch} report={null} />
          <Panel id="activity" title="Activity while it ran">
            <Charts data={charts} />
            <Waits charts={charts} />
          </Panel>
          <Panel id="plan" title="Plan and outcome">
            <Numbers rows={planRows(status, outcome)} />
          </Panel>
          {agreement === null ? null : <Certainty agreement={agreement} />}
          <DeadLetterGroups groups={deadLetters} filter={{ batchId: batch.id }} />
          <InvalidRows groups={invalid} />
          {timeline.length === 0 ? null : <Timeline entries={timeline} />}
        </main>
      </body>
    </html>
  )
}

/** What a reader of a mail sees first. */
function summaryOf({ status, batch, outcome }: ReportData, now: number): string {
  const done = doneOf(status)
  const { rows, tagged, no_match: noMatch, dead, invalid } = status
  const open = done === rows ? '' : `, ${formatNumber(rows - done)} not done`
  const from = outcome.firstCallAt ?? batch.createdAt
  const took = formatDuration((batch.completedAt ?? now) - from)
  return `${formatRowCounts(rows, { tagged, noMatch, dead, invalid })}${open}. ${pluralize(status.credits_spent, 'credit')} in ${took}.`
}

/** Pauses and rate limits with their share of the time. */
function Waits({ charts: { stops, window } }: { readonly charts: ChartData }) {
  if (stops.length === 0) return null
  const total = window.to - window.from
  return (
    <ul class="examples waits" aria-label="Waits">
      {stops.map(({ cause, ms }) => (
        <li>
          <strong>{stopName(cause)}</strong>: about {formatDuration(ms)}, {percent(ms / total)} of the time
        </li>
      ))}
    </ul>
  )
}

const OUTCOME_NAMES: Readonly<Record<(typeof CALL_OUTCOMES)[number], string>> = {
  sent: 'in flight',
  unknown: 'unknown outcome, may have cost a credit',
  answered: 'answered',
  unreadable: 'unreadable answer, paid',
  rate_limited: 'rate limited, free',
  out_of_credits: 'out of credits, free',
  unauthorized: 'key refused, free',
  refused: 'refused, free',
  transient: 'failed, free',
}

type NumberRow = readonly [name: string, value: string]

function planRows(status: BatchStatus, { searches, calls }: BatchOutcome): NumberRow[] {
  const charged = status.credits_spent
  return [
    ['Rows', formatNumber(status.rows)],
    ['Unique searches, the most it could cost', pluralize(searches, 'credit')],
    ['Credits charged', formatNumber(charged)],
    ['Searches without a charge: reused, refused, or not called', formatNumber(Math.max(0, searches - charged))],
    ...CALL_OUTCOMES.flatMap((name): NumberRow[] => {
      const count = calls[name] ?? 0
      return count === 0 ? [] : [[`Calls: ${OUTCOME_NAMES[name]}`, formatNumber(count)]]
    }),
  ]
}

function Numbers({ rows }: { readonly rows: readonly NumberRow[] }) {
  return (
    <table class="numbers">
      <tbody>
        {rows.map(([name, value]) => (
          <tr>
            <th scope="row">{name}</th>
            <td>{value}</td>
          </tr>
        ))}
      </tbody>
    </table>
  )
}

function Certainty({ agreement }: { readonly agreement: Agreement }) {
  const { answers, genre, energyLevel, hasVocals } = agreement
  const shares = { Genre: genre, 'Energy level': energyLevel, Vocals: hasVocals }
  return (
    <Panel id="certainty" title="How sure the tags are">
      <p class="quiet">
        The share of an answer's tracks that agree with the tag made of them, on average over{' '}
        {pluralize(answers, 'answer')}.
      </p>
      <Numbers
        rows={Object.entries(shares).flatMap(([name, share]) => (share === null ? [] : [[name, percent(share)]]))}
      />
    </Panel>
  )
}

function agreementOf(bodies: readonly string[]): Agreement | null {
  const answers = bodies.flatMap((body) => {
    const tracks = parseTracks(body) ?? []
    return tracks.length === 0 ? [] : [{ tracks, tags: deriveTags(tracks) }]
  })
  if (answers.length === 0) return null
  const mean = (field: 'genre' | 'energyLevel' | 'hasVocals') =>
    meanOf(answers.flatMap(({ tracks, tags }) => shareOf(tracks, (track) => track[field], tags[field])))
  return {
    answers: answers.length,
    genre: mean('genre'),
    energyLevel: mean('energyLevel'),
    hasVocals: mean('hasVocals'),
  }
}

/** The share of the tracks with the field that agree with the tag. Empty: no track has it. */
function shareOf<T>(tracks: readonly Track[], read: (track: Track) => T | null, tag: T | null): number[] {
  const values = tracks.map(read).filter((value) => value !== null)
  return values.length === 0 || tag === null ? [] : [values.filter((value) => value === tag).length / values.length]
}

function meanOf(values: readonly number[]): number | null {
  return values.length === 0 ? null : values.reduce((sum, value) => sum + value, 0) / values.length
}

function percent(share: number): string {
  return share > 0 && share < 0.01 ? 'under 1 %' : `${Math.round(share * 100)} %`
}

const STYLES = readFileSync(new URL('./assets/board.css', import.meta.url), 'utf8')

/** Lets exactly this style sheet pass a content security policy. */
export const STYLES_HASH = `'sha256-${createHash('sha256').update(STYLES).digest('base64')}'`
