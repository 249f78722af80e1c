import type { BatchStatus } from '../../batches/status-report.js'
import { formatDuration, formatNumber, pluralize } from '../../domain/format.js'
import type { DeadLetterGroup, InvalidGroup } from '../../store/findings.js'
import type { Batch } from '../../store/store.js'
import { StatusBar, stateOf } from './batch-list.js'
import type { ChartData } from './chart-data.js'
import { Charts } from './charts.js'
import { DeadLetterGroups, RowNames } from './dead-letters.js'
import { Figure } from './figures.js'
import { Page, type PageContext } from './layout.js'
import { When } from './text.js'

export interface BatchData {
  readonly batch: Batch
  readonly status: BatchStatus
  readonly charts: ChartData
  readonly deadLetters: readonly DeadLetterGroup[]
  readonly invalid: readonly InvalidGroup[]
  readonly done: string | null
}

export function BatchPage({ data, context }: { readonly data: BatchData; readonly context: PageContext }) {
  const { batch, status, charts, deadLetters, invalid, done } = data
  return (
    <Page context={context} title={`${batch.name} – Trackyard batch`} section="none" deadLetters={null}>
      <div class="page-head">
        <h1>{batch.name}</h1>
        <p class="quiet">
          Batch {batch.id}, {stateOf(status)}, priority {batch.priority}
          {batch.catalogPath === null ? null : (
            <>
              , from <code>{batch.catalogPath}</code>
            </>
          )}
        </p>
      </div>
      {done === null ? null : (
        <p class="done" role="status">
          {done}
        </p>
      )}
      <section class="panel" aria-label="Rows by status" data-live="rows">
        <StatusBar batch={status} />
      </section>
      <BatchFigures status={status} batch={batch} context={context} />
      <BatchActions batch={batch} status={status} context={context} />
      <section class="panel" aria-labelledby="activity">
        <div class="panel-head">
          <h2 id="activity">Activity while it ran</h2>
          <p class="quiet">calls of all batches</p>
        </div>
        <div data-live="charts">
          <Charts data={charts} now={context.now} />
        </div>
      </section>
      <DeadLetterGroups groups={deadLetters} filter={{ batchId: batch.id }} context={context} />
      <InvalidRows groups={invalid} />
    </Page>
  )
}

export function BatchFigures(props: {
  readonly status: BatchStatus
  readonly batch: Batch
  readonly context: PageContext
}) {
  const { status, batch, context } = props
  const done = status.rows - status.waiting - status.withheld - status.cancelled
  const from = batch.createdAt
  const to = batch.completedAt ?? context.now
  const cap = batch.maxCredits === null ? 'no cap' : `cap ${formatNumber(batch.maxCredits)}`
  return (
    <section class="figures" aria-label="Figures" data-live="figures">
      <Figure
        name="Rows done"
        value={formatNumber(done)}
        note={`of ${formatNumber(status.rows)}`}
        tone={null}
        meter={status.rows === 0 ? null : done / status.rows}
      />
      <Figure
        name="Credits spent"
        value={formatNumber(status.credits_spent)}
        note={done === 0 ? cap : `${(status.credits_spent / done).toFixed(2)} a row, ${cap}`}
        tone={null}
      />
      <Figure
        name="Tagged"
        value={done === 0 ? '–' : `${Math.round((status.tagged / done) * 100)} %`}
        note={`${formatNumber(status.tagged)} of the rows done`}
        tone={null}
      />
      <Figure
        name={batch.completedAt === null ? 'Since' : 'Took'}
        value={formatDuration(to - from)}
        note={
          <>
            <When at={from} now={context.now} />
            {batch.completedAt === null ? null : (
              <>
                {' '}
                to <When at={to} now={context.now} />
              </>
            )}
          </>
        }
        tone={null}
      />
    </section>
  )
}

function BatchActions(props: { readonly batch: Batch; readonly status: BatchStatus; readonly context: PageContext }) {
  const { batch, status, context } = props
  const at = `${context.base}/batches/${batch.id}`
  const isOpen = batch.state === 'released' && batch.completedAt === null
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
        {context.readOnly || !isOpen ? null : (
          <>
            {status.withheld > 0 || batch.maxCredits !== null || batch.first !== null ? (
              <form method="post" action={`${at}/release`}>
                <input
                  name="max_credits"
                  inputmode="numeric"
                  pattern="[0-9]*"
                  aria-label="New cap in credits; empty: no cap"
                  placeholder="Cap (empty: none)"
                />
                <button type="submit">Release</button>
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

export function InvalidRows({ groups }: { readonly groups: readonly InvalidGroup[] }) {
  if (groups.length === 0) return null
  return (
    <section class="panel" aria-labelledby="invalid">
      <h2 id="invalid">Invalid rows</h2>
      <ul class="examples">
        {groups.map((group) => (
          <li>
            <strong>{pluralize(group.rows, 'row')}</strong> {group.problem} <RowNames rows={group.examples} />
          </li>
        ))}
      </ul>
    </section>
  )
}
