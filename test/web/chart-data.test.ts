import { describe, expect, test } from '@jest/globals'
import type { ActivityStore, StopCause } from '../../src/store/activity.js'
import { type ChartData, chartData, chartWindowBetween, chartWindowOf, RANGES } from '../../src/web/pages/chart-data.js'
import { eachWithStore, feedAll, released, settle, type TempStore } from '../store/setup.js'

/** What the charts show of a real store. */
let temp: TempStore
eachWithStore((opened) => {
  temp = opened
})

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const WEEKS = 35 * 24 * HOUR
/** Ten minutes after a full hour. */
const AT = Date.UTC(2026, 2, 1, 23, 10)

const sample = (minute: number, stopped: StopCause | null = null) =>
  temp.store.activity.sample(AT + minute * MINUTE, { limitPerMinute: 300, stopped }, WEEKS)

/** One search is answered in each of these minutes. */
async function answerAMinute(from: number, to: number): Promise<void> {
  for (let minute = from; minute < to; minute++) {
    await sample(minute)
    await settle(temp.store, `query ${minute}`, 'answered')
    await temp.store.activity.sample(AT + minute * MINUTE + 45_000, { limitPerMinute: 300, stopped: null }, WEEKS)
  }
}

async function overview(now: number): Promise<readonly ChartData[]> {
  return Promise.all(
    RANGES.map(async (range) => {
      const window = chartWindowOf(range, now)
      return chartData(await temp.store.activity.read({ ...window, now }), window)
    }),
  )
}

async function chartsOfBatch(id: number, from: number, to: number, now = to): Promise<ChartData> {
  const [report] = await temp.store.reports.batches({ batchId: id, limit: 1 })
  if (report === undefined) throw new Error('expected a report')
  const window = chartWindowBetween(from, to)
  const activity: Awaited<ReturnType<ActivityStore['read']>> = await temp.store.activity.read({
    ...window,
    now,
    batchId: id,
  })
  const { items, tagged, charged } = report.batch
  return chartData(activity, window, { from, rows: items, rowsDone: tagged, charged })
}

/** Calls in all bars. */
const callsIn = ({ buckets }: ChartData) =>
  buckets.reduce((sum, { from, to, perMinute }) => sum + (perMinute.answered * (to - from)) / MINUTE, 0)
const change = (readings: ChartData['rowsDone']) => (readings.at(-1)?.value ?? 0) - (readings[0]?.value ?? 0)
const queries = (from: number, to: number) => Array.from({ length: to - from }, (_, index) => `query ${from + index}`)

describe('the overview', () => {
  test('shows the same totals in each range in the first minutes of a new store', async () => {
    await released(temp.store, queries(0, 17))
    await feedAll(temp.store)
    await answerAMinute(0, 17)
    for (const charts of await overview(AT + 16 * MINUTE + 50_000)) {
      expect(change(charts.rowsDone)).toBe(17)
      expect(charts.rowsDone[0]?.at).toBe(AT)
      expect(charts.mean.answered).toBeCloseTo(1)
      expect(charts.buckets.map(({ perMinute }) => perMinute.answered).every((rate) => rate === 1)).toBe(true)
    }
  })

  test('shows calls where they were made after hours without a worker, in each range', async () => {
    await released(temp.store, [...queries(-300, -290), ...queries(0, 10)])
    await feedAll(temp.store)
    await answerAMinute(-300, -290)
    await answerAMinute(0, 10)
    const [hour, night, week] = await overview(AT + 9 * MINUTE + 50_000)
    expect(hour?.buckets.filter(({ perMinute }) => perMinute.answered > 0).map(({ from }) => from)).toEqual(
      Array.from({ length: 10 }, (_, minute) => AT + minute * MINUTE),
    )
    const ofThisHour = (charts: ChartData | undefined) =>
      charts === undefined ? 0 : callsIn({ ...charts, buckets: charts.buckets.filter(({ to }) => to > AT) })
    expect([ofThisHour(hour), ofThisHour(night)]).toEqual([10, 10])
    // The hour has 20 minutes so far, and its bar the calls of ten of them.
    expect(week?.buckets.at(-1)).toMatchObject({ from: AT - 10 * MINUTE, perMinute: { answered: 10 / 20 } })
  })

  test('names the same causes of stops in each range, the longest first, and shades as long as they took', async () => {
    const causes: readonly StopCause[] = [...Array<StopCause>(3).fill('no_credits'), 'operator', 'operator', 'reserve']
    for (const [minute, cause] of causes.entries()) await sample(minute, cause)
    for (let minute = causes.length; minute < 30; minute++) await sample(minute)
    for (const { stops, spans } of await overview(AT + 30 * MINUTE)) {
      expect(stops).toEqual([
        { cause: 'no_credits', ms: 3 * MINUTE },
        { cause: 'operator', ms: 2 * MINUTE },
        { cause: 'reserve', ms: MINUTE },
      ])
      expect(spans.map(({ cause, from, to }) => [cause, (from - AT) / MINUTE, (to - AT) / MINUTE])).toEqual([
        ['no_credits', 0, 3],
        ['operator', 3, 5],
        ['reserve', 5, 6],
      ])
    }
  })
})

describe('a batch', () => {
  test('that took less than a minute begins at 0 and ends when it ended', async () => {
    await sample(-1)
    const id = await released(temp.store, queries(0, 3))
    const other = await released(temp.store, queries(100, 105))
    await feedAll(temp.store)
    for (const query of queries(0, 3)) await settle(temp.store, query, 'answered')
    await sample(0)
    // Another batch runs on.
    await answerAMinute(100, 104)
    const from = AT + 10_000
    const end = AT + 40_000
    const charts = await chartsOfBatch(id, from, end, AT + 5 * MINUTE)
    expect(charts.window).toMatchObject({ from: AT, to: AT + MINUTE, end })
    expect(charts.rowsDone).toEqual([
      { at: from, value: 0 },
      { at: end, value: 3 },
    ])
    expect(charts.credits).toEqual(charts.rowsDone)
    expect(charts.buckets).toMatchObject([{ from: AT, to: AT + MINUTE, perMinute: { answered: 3 } }])
    expect(other).not.toBe(id)
  })

  test('that still runs begins at 0 and is drawn to this moment', async () => {
    await sample(-2)
    const id = await released(temp.store, queries(0, 9))
    await feedAll(temp.store)
    await answerAMinute(0, 7)
    const now = AT + 7 * MINUTE + 20_000
    const charts = await chartsOfBatch(id, AT - 30_000, now)
    expect(charts.rowsDone[0]).toEqual({ at: AT - 30_000, value: 0 })
    expect(charts.rowsDone.at(-1)).toEqual({ at: now, value: 7 })
    expect(charts.rowsDone).toContainEqual({ at: AT + MINUTE, value: 1 })
    expect(callsIn(charts)).toBe(7)
  })

  test('whose samples were dropped has no figures', async () => {
    const id = await released(temp.store, queries(0, 1))
    await sample(600)
    const charts = await chartsOfBatch(id, AT, AT + 5 * MINUTE, AT + 600 * MINUTE)
    expect(charts).toMatchObject({ buckets: [], rowsDone: [], credits: [] })
  })
})
