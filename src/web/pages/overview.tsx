import type { StatusReport } from '../../batches/status-report.js'
import type { TimelineEntry } from '../../store/timeline.js'
import { Banner, titleOf, toneOf } from './banner.js'
import { BatchList } from './batch-list.js'
import { type ChartData, RANGES, type Range } from './chart-data.js'
import { Charts } from './charts.js'
import { Figures } from './figures.js'
import { Page, type PageContext } from './layout.js'
import { Timeline } from './timeline.js'
import { Workers } from './workers.js'

export interface OverviewData {
  readonly report: StatusReport
  /** The report is from the store alone. */
  readonly isRedisAway: boolean
  readonly charts: ChartData
  readonly range: Range
  readonly timeline: readonly TimelineEntry[]
}

const RANGE_NAMES: Readonly<Record<Range, string>> = { hour: 'Last hour', night: '12 hours', week: 'Week' }

export function Overview({ data, context }: { readonly data: OverviewData; readonly context: PageContext }) {
  const { report, isRedisAway, charts, range, timeline } = data
  const title = isRedisAway ? 'Redis does not answer' : titleOf(report.queue)
  return (
    <Page
      context={context}
      title={`${title} – Trackyard batch`}
      section="overview"
      deadLetters={report.queue.dead_letters}
    >
      <Banner report={report} title={title} tone={isRedisAway ? 'bad' : toneOf(report.queue)} context={context} />
      <Figures report={report} context={context} />
      <section class="panel" aria-labelledby="activity">
        <div class="panel-head">
          <h2 id="activity">Activity</h2>
          <nav class="ranges" aria-label="Time shown">
            {RANGES.map((each) => (
              <a href={`${context.base}/?range=${each}`} aria-current={each === range ? 'true' : undefined}>
                {RANGE_NAMES[each]}
              </a>
            ))}
          </nav>
        </div>
        <div data-live="charts">
          <Charts data={charts} now={context.now} />
        </div>
      </section>
      <BatchList batches={report.batches} context={context} />
      <Workers workers={report.workers} context={context} />
      <Timeline entries={timeline} now={context.now} />
    </Page>
  )
}
