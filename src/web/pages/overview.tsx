import type { TimelineEntry } from '../../store/timeline.js'
import { Banner, titleOf } from './banner.js'
import { BatchList } from './batch-list.js'
import { type ChartData, RANGES, type Range } from './chart-data.js'
import { Charts } from './charts.js'
import { Figures } from './figures.js'
import { Page, usePage } from './layout.js'
import type { LiveReport } from './respond.js'
import { Timeline } from './timeline.js'
import { Workers } from './workers.js'

export interface OverviewData extends LiveReport {
  readonly charts: ChartData
  readonly range: Range
  readonly timeline: readonly TimelineEntry[]
  /** In the store, shown or not. */
  readonly batchCount: number
}

const RANGE_NAMES: Readonly<Record<Range, string>> = { hour: 'Last hour', night: '12 hours', week: 'Week' }

export function Overview({ data }: { readonly data: OverviewData }) {
  const { base } = usePage()
  const { report, isRedisAway, charts, range, timeline, batchCount } = data
  return (
    <Page title={titleOf(report.queue, isRedisAway)} section="overview" isLive>
      <Banner report={report} isRedisAway={isRedisAway} level={1} />
      <Figures report={report} isRedisAway={isRedisAway} />
      <section class="panel" aria-labelledby="activity">
        <div class="panel-head">
          <h2 id="activity">Activity</h2>
          <nav class="ranges" aria-label="Time shown">
            {RANGES.map((each) => (
              <a href={`${base}/?range=${each}`} aria-current={each === range ? 'true' : undefined}>
                {RANGE_NAMES[each]}
              </a>
            ))}
          </nav>
        </div>
        <Charts data={charts} />
      </section>
      <BatchList batches={report.batches} more={batchCount - report.batches.length} />
      <Workers workers={report.workers} />
      <Timeline entries={timeline} />
    </Page>
  )
}
