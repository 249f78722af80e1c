import type { BatchStatus } from '../../batches/status-report.js'
import { formatNumber, pluralize } from '../../domain/format.js'
import { ROW_STATUSES } from '../../domain/states.js'
import { Page, usePage } from './layout.js'
import { Panel, When } from './parts.js'

export interface BatchListPage {
  readonly batches: readonly BatchStatus[]
  /** From 1 on. */
  readonly page: number
  readonly pages: number
  /** Of all pages. */
  readonly count: number
}

export function AllBatches({ batches, page, pages, count }: BatchListPage) {
  const { base } = usePage()
  const links = [
    { text: 'Previous', to: page - 1 },
    { text: 'Next', to: page + 1 },
  ].filter(({ to }) => to >= 1 && to <= pages)
  return (
    <Page title="All batches" isLive>
      <div class="page-head">
        <h1>All batches</h1>
        <p class="quiet">
          {pluralize(count, 'batch')}, unfinished first
          {pages === 1 ? '' : `; page ${formatNumber(page)} of ${formatNumber(pages)}`}
        </p>
      </div>
      <BatchList batches={batches} />
      {links.length === 0 ? null : (
        <nav class="ranges" aria-label="Pages of the list">
          {links.map(({ text, to }) => (
            <a href={`${base}/batches?page=${to}`}>{text}</a>
          ))}
        </nav>
      )}
    </Page>
  )
}

/** @param props.more how many more there are */
export function BatchList({ batches, more = 0 }: { readonly batches: readonly BatchStatus[]; readonly more?: number }) {
  const { base } = usePage()
  return (
    <Panel id="batches" title="Batches">
      {batches.length === 0 ? (
        <p class="quiet">
          No batch yet. Submit a catalog: <code>trackyard-batch submit catalog.csv</code>
        </p>
      ) : (
        <ul class="batches">
          {batches.map((batch) => (
            <li>
              <div class="batch-head">
                <a class="batch-name" href={`${base}/batches/${batch.batch}`}>
                  {batch.name}
                </a>
                <span class="batch-state">
                  Batch {batch.batch}, {stateOf(batch)}
                </span>
                <span class="batch-facts">
                  <Facts batch={batch} />
                </span>
              </div>
              <StatusBar batch={batch} />
            </li>
          ))}
        </ul>
      )}
      {more > 0 ? (
        <p class="more">
          <a href={`${base}/batches`}>and {formatNumber(more)} more</a>
        </p>
      ) : null}
    </Panel>
  )
}

export function stateOf(batch: BatchStatus): string {
  if (batch.not_before !== null) return 'scheduled'
  return batch.waiting === 0 && batch.withheld > 0 ? 'withheld' : batch.state
}

function Facts({ batch }: { readonly batch: BatchStatus }) {
  const { credits_spent, credits_needed, calls_last_minute, completed_at, not_before, finish_at } = batch
  const needed = credits_needed === 0 ? '' : `, ${formatNumber(credits_needed)} needed`
  const isDue = credits_needed > 0 && calls_last_minute !== null
  return (
    <>
      {formatNumber(doneOf(batch))} of {formatNumber(batch.rows)} rows · {pluralize(credits_spent, 'credit')} charged
      {needed}
      {isDue ? ` · ${pluralize(calls_last_minute, 'call')} a minute` : ''}
      {[
        ['', completed_at],
        ['from ', not_before],
        ['done about ', finish_at],
      ].map(([what, at]) =>
        at === null || at === undefined ? null : (
          <>
            {` · ${what}`}
            <When at={Date.parse(at)} />
          </>
        ),
      )}
      <Deadline batch={batch} />
    </>
  )
}

/** Rows with an outcome. */
export function doneOf({ rows, waiting, withheld, cancelled }: BatchStatus): number {
  return rows - waiting - withheld - cancelled
}

function Deadline({ batch }: { readonly batch: BatchStatus }) {
  const { now } = usePage()
  const { state, deadline, meets_deadline } = batch
  if (deadline === null || state === 'cancelled') return null
  const at = Date.parse(deadline)
  const isPast = state === 'done' || at <= now
  const isLate = meets_deadline === false || (state !== 'done' && isPast)
  const [missed, met] = isPast ? [' missed', ' met'] : [' will be missed', ' will be met']
  const outlook = isLate ? missed : meets_deadline === true ? met : ''
  return (
    <span class={isLate ? 'tone-bad failure' : ''}>
      {' · deadline '}
      <When at={at} />
      {outlook}
    </span>
  )
}

/** Rows by status. The legend beside it carries the numbers, so the bar itself is hidden from screen readers. */
export function StatusBar({ batch }: { readonly batch: BatchStatus }) {
  const shown = ROW_STATUSES.filter((status) => batch[status] > 0)
  const total = Math.max(
    1,
    shown.reduce((sum, status) => sum + batch[status], 0),
  )
  let before = 0
  return (
    <div class="status">
      <svg class="status-bar" viewBox="0 0 1000 10" preserveAspectRatio="none" aria-hidden="true">
        {shown.map((status) => {
          // A single dead row among a million is still seen.
          const width = Math.max(3, (batch[status] / total) * 1000)
          const x = before
          before += width
          return <rect class={`row-${status}`} x={x.toFixed(1)} width={width.toFixed(1)} height="10" />
        })}
      </svg>
      <ul class="legend">
        {shown.map((status) => (
          <li class={`key key-row-${status}`}>
            {formatNumber(batch[status])} {status.replace('_', ' ')}
          </li>
        ))}
      </ul>
    </div>
  )
}
