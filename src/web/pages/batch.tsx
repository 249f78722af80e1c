import type { BatchStatus, StatusReport } from '../../batches/status-report.js'
import { formatDuration, formatNumber, pluralize } from '../../domain/format.js'
import type { DeadLetterGroup, InvalidGroup } from '../../store/findings.js'
import type { Batch } from '../../store/store.js'
import type { TimelineEntry } from '../../store/timeline.js'
import { Banner } from './banner.js'
import { doneOf, StatusBar, stateOf } from './batch-list.js'
import type { ChartData } from './chart-data.js'
import { Charts } from './charts.js'
import { DeadLetterGroups, RowNames } from './dead-letters.js'
import { Figure, FinishFigure } from './figures.js'
import { Page, usePage } from './layout.js'
import { ActionResult, Panel, When } from './parts.js'
import type { LiveReport } from './respond.js'
import { Timeline } from './timeline.js'

export interface BatchData extends LiveReport {
  readonly batch: Batch
  readonly status: BatchStatus
  readonly charts: ChartData
  readonly timeline: readonly TimelineEntry[]
  readonly deadLetters: readonly DeadLetterGroup[]
  readonly invalid: readonly InvalidGroup[]
  readonly notice: string | null
}

export function BatchPage({ data }: { readonly data: BatchData }) {
  const { batch, status, report, isRedisAway, charts, timeline, deadLetters, invalid, notice } = data
  return (
    <Page title={batch.name} isLive>
      <div class="page-head">
        <h1>{batch.name}</h1>
        <p class="quiet">
          Batch {batch.id}, {stateOf(status)}, {batch.priority} priority
          {batch.catalogPath === null ? null : (
            <>
              , from <code>{batch.catalogPath}</code>
            </>
          )}
        </p>
      </div>
      <ActionResult text={notice} />
      {isOpen(batch) ? <Banner report={report} isRedisAway={isRedisAway} level={2} /> : null}
      <section class="panel" aria-label="Rows by status">
        <StatusBar batch={status} />
      </section>
      <BatchFigures status={status} batch={batch} report={report} />
      <BatchActions batch={batch} status={status} />
      <Panel id="activity" title="Activity while it ran">
        <Charts data={charts} />
      </Panel>
      <div class="stack">
        <DeadLetterGroups groups={deadLetters} filter={{ batchId: batch.id }} />
      </div>
      <InvalidRows groups={invalid} />
      <Timeline entries={timeline} />
    </Page>
  )
}

function isOpen({ state, completedAt }: Batch): boolean {
  return state === 'released' && completedAt === null
}

/** @param props.report null: a report in a file, which shows no forecast */
export function BatchFigures(props: {
  readonly status: BatchStatus
  readonly batch: Batch
  readonly report: StatusReport | null
}) {
  const { status, batch, report } = props
  const { now } = usePage()
  const done = doneOf(status)
  const from = batch.createdAt
  const to = batch.completedAt
  const cap = batch.maxCredits === null ? 'no cap' : `cap ${formatNumber(batch.maxCredits)}`
  return (
    <section class="figures" aria-label="Figures">
      <Figure
        name="Rows done"
        value={formatNumber(done)}
        note={`of ${formatNumber(status.rows)}`}
        meter={status.rows === 0 ? null : done / status.rows}
      />
      <Figure
        name="Tagged"
        value={done === 0 ? '–' : `${Math.round((status.tagged / done) * 100)} %`}
        note={`${formatNumber(status.tagged)} of the rows done`}
      />
      <Figure
        name="Credits charged"
        value={formatNumber(status.credits_spent)}
        note={done === 0 ? cap : `${(status.credits_spent / done).toFixed(2)} a row, ${cap}`}
      />
      {report === null || !isOpen(batch) ? null : (
        <>
          <Figure
            name="Credits needed"
            value={formatNumber(status.credits_needed)}
            note={`${pluralize(status.calls_last_minute ?? 0, 'call')} in the last minute`}
          />
          <FinishFigure finishAt={status.finish_at} due={status.credits_needed} credits={report.credits} />
        </>
      )}
      {to === null ? (
        <Figure name="Started" value={<When at={from} />} note={`${formatDuration(now - from)} ago`} />
      ) : (
        <Figure
          name="Took"
          value={formatDuration(to - from)}
          note={
            <>
              <When at={from} /> to <When at={to} />
            </>
          }
        />
      )}
    </section>
  )
}

function BatchActions({ batch, status }: { readonly batch: Batch; readonly status: BatchStatus }) {
  const { base, readOnly } = usePage()
  const at = `${base}/batches/${batch.id}`
  const mayRelease =
    status.not_before !== null || status.withheld > 0 || batch.maxCredits !== null || batch.first !== null
  // A cap that is used up must be raised, so the field is empty; any other is the default.
  const cap = batch.maxCredits !== null && batch.charged < batch.maxCredits ? String(batch.maxCredits) : ''
  return (
    <section class="panel" aria-label="Actions">
      <div class="actions">
        <a class="button" href={`${at}/export.csv`}>
          Download CSV
        </a>
        <a class="button" href={`${at}/export.jsonl`}>
          Download JSONL
        </a>
        <a class="button" href={`${at}/report`}>
          Report
        </a>
        {readOnly || !(isOpen(batch) || status.not_before !== null) ? null : (
          <>
            {mayRelease ? (
              <form method="post" action={`${at}/release`} class="release">
                <label>
                  Cap in credits{' '}
                  <input name="max_credits" inputmode="numeric" pattern="[0-9]*" placeholder="none" value={cap} />
                </label>
                <button type="submit">{releaseLabel(batch)}</button>
              </form>
            ) : null}
            <form method="post" action={`${at}/cancel`}>
              <button type="submit" class="danger">
                Cancel the batch
              </button>
            </form>
          </>
        )}
      </div>
    </section>
  )
}

/** What is scheduled keeps its --first. */
function releaseLabel({ state, first }: Batch): string {
  if (state !== 'loading') return 'Release'
  return first === null ? 'Release now' : `Release the first ${formatNumber(first)} now`
}

export function InvalidRows({ groups }: { readonly groups: readonly InvalidGroup[] }) {
  if (groups.length === 0) return null
  return (
    <Panel id="invalid" title="Invalid rows">
      <ul class="examples">
        {groups.map((group) => (
          <li>
            <strong>{pluralize(group.rows, 'row')}</strong> <bdi>{group.problem}</bdi>{' '}
            <RowNames rows={group.examples} />
          </li>
        ))}
      </ul>
    </Panel>
  )
}
