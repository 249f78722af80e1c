import { once } from 'node:events'
import { PassThrough, Readable } from 'node:stream'
import { Hono } from 'hono'
import { cancelBatch, reportOf } from '../../batches/find-batch.js'
import { priceOfRelease, releaseBatch } from '../../batches/release.js'
import { exportBatch } from '../../catalog/export/export-batch.js'
import { UsageError } from '../../domain/errors.js'
import { formatNumber, pluralize } from '../../domain/format.js'
import type { Batch, BatchReport, Caps, RowReport, SearchReport } from '../../store/store.js'
import type { BoardOptions } from '../board-options.js'
import { renderReport } from '../report.js'
import type { RedisReads } from '../silence.js'
import { BatchPage } from './batch.js'
import { AllBatches, doneOf } from './batch-list.js'
import { chartData, chartWindowBetween } from './chart-data.js'
import { Confirm } from './confirm.js'
import { Found, type FoundData } from './found.js'
import type { PageContext } from './layout.js'
import { liveReport, page } from './respond.js'
import { batchTimeline } from './timeline.js'

const BATCHES_ON_A_PAGE = 50
const LONGEST_QUERY = 200
const MOST_FOUND = 20

function noSuchBatch(id: string): UsageError {
  return new UsageError(`There is no batch ${id}. The overview lists the batches.`, { code: 'no_such_batch' })
}

/** One batch: its page, its downloads, release and cancel; and the search box. */
export function batchRoutes(options: BoardOptions, redisReads: RedisReads, context: () => Promise<PageContext>): Hono {
  const web = new Hono()
  const { store, now, log } = options

  async function reportedBatch(id: string): Promise<BatchReport> {
    const report = await reportOf(store, (await batchOf(id)).id)
    if (report === null) throw noSuchBatch(id)
    return report
  }

  async function batchOf(id: string): Promise<Batch> {
    const batch = await store.batches.find(id)
    if (batch === null || String(batch.id) !== id) throw noSuchBatch(id)
    return batch
  }

  web.get('/batches', async (c) => {
    const count = await store.reports.batchCount()
    const pages = Math.max(1, Math.ceil(count / BATCHES_ON_A_PAGE))
    const number = Math.min(pages, Number(/^[1-9]\d{0,8}$/.exec(c.req.query('page') ?? '')?.[0] ?? 1))
    const which = { limit: BATCHES_ON_A_PAGE, offset: (number - 1) * BATCHES_ON_A_PAGE }
    const { report } = await liveReport(options, redisReads, which)
    return page(c, await context(), <AllBatches batches={report.batches} page={number} pages={pages} count={count} />)
  })

  web.get('/batches/:id{[0-9]+}', async (c) => {
    const view = await context()
    const batch = await batchOf(c.req.param('id'))
    const window = chartWindowBetween(batch.createdAt, batch.completedAt ?? view.now)
    const [live, activity, timeline, deadLetters] = await Promise.all([
      liveReport(options, redisReads, { batchId: batch.id, limit: 1 }),
      store.activity.read({ ...window, now: view.now, batchId: batch.id }),
      batchTimeline(batch, store.timeline, view.now),
      store.reports.deadLetterGroups({ batchId: batch.id }),
    ])
    const status = live.report.batches.find((each) => each.batch === batch.id)
    if (status === undefined) throw noSuchBatch(String(batch.id))
    const data = {
      ...live,
      batch,
      status,
      charts: chartData(activity, window, {
        from: batch.createdAt,
        rows: status.rows,
        rowsDone: doneOf(status),
        charged: status.credits_spent,
      }),
      timeline,
      deadLetters,
      invalid: status.invalid === 0 ? [] : await store.reports.invalidGroups(batch.id),
      notice:
        c.req.query('done') === 'released' ? 'Released.' : c.req.query('done') === 'cancelled' ? 'Cancelled.' : null,
    }
    return page(c, view, <BatchPage data={data} />)
  })

  web.get('/batches/:id{[0-9]+}/:file{export\\.(?:csv|jsonl)}', async (c) => {
    const batch = await batchOf(c.req.param('id'))
    const format = c.req.param('file') === 'export.csv' ? 'csv' : 'jsonl'
    return new Response(streamOf(options, batch, format, c.req.raw.signal), {
      headers: {
        'content-type': format === 'csv' ? 'text/csv; charset=utf-8' : 'application/jsonl; charset=utf-8',
        'content-disposition': `attachment; ${fileName(batch, format)}`,
        'cache-control': 'no-store',
      },
    })
  })

  web.get('/batches/:id{[0-9]+}/report', async (c) => {
    const report = await reportedBatch(c.req.param('id'))
    return c.html(await renderReport(store, report, now()), 200, { 'cache-control': 'no-store' })
  })

  web.post('/batches/:id{[0-9]+}/release', async (c) => {
    const batch = await batchOf(c.req.param('id'))
    const fields = await c.req.parseBody()
    const maxCredits = capFrom(fields.max_credits)
    const first = batch.state === 'loading' ? batch.first : null
    const { credits } = await priceOfRelease(store, { batch, maxCredits, first })
    const at = `${options.path}/batches/${batch.id}`
    const losesCap = maxCredits === null && batch.maxCredits !== null
    // Not a number is no answer either.
    if ((credits > options.confirmAbove || losesCap) && !(Number(fields.confirmed) >= credits)) {
      return page(
        c,
        await context(),
        <Confirm
          title={`Release ${batch.name}?`}
          facts={[
            `This may cost up to ${pluralize(credits, 'credit')} more, ${limitOf({ maxCredits, first })}.`,
            ...(losesCap ? [`Its cap of ${pluralize(batch.maxCredits, 'credit')} is removed.`] : []),
          ]}
          action={`${at}/release`}
          button={`Release for up to ${pluralize(credits, 'credit')}`}
          back={at}
        >
          <input type="hidden" name="max_credits" value={maxCredits === null ? '' : String(maxCredits)} />
          <input type="hidden" name="confirmed" value={String(credits)} />
        </Confirm>,
      )
    }
    await releaseBatch({ store, now }, { batch, maxCredits, first })
    log.info({ event: 'batch.released', batch: batch.id, maxCredits }, 'batch released on the board')
    return c.redirect(`${at}?done=released`, 303)
  })

  web.post('/batches/:id{[0-9]+}/cancel', async (c) => {
    const report = await reportedBatch(c.req.param('id'))
    const { batch } = report
    const at = `${options.path}/batches/${batch.id}`
    const fields = await c.req.parseBody()
    if (fields.confirmed !== 'yes') {
      const open = report.waiting + report.withheld
      return page(
        c,
        await context(),
        <Confirm
          title={`Cancel ${batch.name}?`}
          facts={[
            `${pluralize(open, 'row')} will get no call, which saves up to ${pluralize(open, 'credit')}. Calls in flight finish.`,
            `${pluralize(batch.tagged + batch.noMatch, 'answered row')} and all that was paid for are kept and can be exported. Submitted again, the catalog reuses them for free.`,
          ]}
          action={`${at}/cancel`}
          button="Cancel the batch"
          back={at}
        >
          <input type="hidden" name="confirmed" value="yes" />
        </Confirm>,
      )
    }
    const { was } = await cancelBatch({ store, log, now }, String(batch.id))
    log.info({ event: 'batch.cancelled', batch: batch.id }, 'batch cancelled on the board')
    return c.redirect(was === 'dropped' ? `${options.path}/` : `${at}?done=cancelled`, 303)
  })

  web.get('/find', async (c) => {
    const text = (c.req.query('q') ?? '').trim().slice(0, LONGEST_QUERY)
    if (text === '') return c.redirect(`${options.path}/`)
    return page(c, await context(), <Found data={await find(options, text)} />)
  })
  return web
}

async function find({ store }: BoardOptions, text: string): Promise<FoundData> {
  let shown: RowReport | SearchReport | null = null
  let problem: string | null = null
  try {
    shown = await store.reports.show(text, null)
  } catch (error) {
    if (!(error instanceof UsageError)) throw error
    problem = error.message
  }
  const row = shown !== null && 'position' in shown ? shown : null
  const search = row === null ? (shown !== null && 'request' in shown ? shown : null) : row.search
  const searches = shown === null ? await store.reports.searchesByQuery(text, MOST_FOUND + 1) : []
  return {
    text,
    batch: await store.batches.find(text),
    row,
    search,
    searches: searches.slice(0, MOST_FOUND),
    hasMore: searches.length > MOST_FOUND,
    problem,
  }
}

/** Streams the export as it is read: memory stays flat, and a browser that disconnects ends it. */
function streamOf(
  { store, log }: BoardOptions,
  batch: Batch,
  format: 'csv' | 'jsonl',
  signal: AbortSignal,
): ReadableStream {
  const out = new PassThrough()
  const left = AbortSignal.any([signal, closed(out)])
  exportBatch({ rows: store.reports.exportRows(batch.id), batch, format, out, signal: left }).then(
    () => out.end(),
    (error: unknown) => {
      if (!left.aborted) log.error({ event: 'board.request_failed', err: error, batch: batch.id }, 'export failed')
      out.destroy()
    },
  )
  return Readable.toWeb(out) as ReadableStream
}

function closed(out: PassThrough): AbortSignal {
  const controller = new AbortController()
  void once(out, 'close').then(
    () => controller.abort(),
    () => controller.abort(),
  )
  return controller.signal
}

/** The file name for the browser: in ASCII, and in UTF-8 for the user's own characters (RFC 6266). */
function fileName({ name }: Batch, format: 'csv' | 'jsonl'): string {
  const plain = name.replace(/[^\w .-]+/g, '_').slice(0, 80)
  const exact = encodeURIComponent(`${name}.tagged.${format}`.replace(/[/\\\p{Cc}]/gu, '_'))
    // Allowed in a URI, but not here.
    .replace(/['()*]/g, (mark) => `%${mark.charCodeAt(0).toString(16)}`)
  return `filename="${plain}.tagged.${format}"; filename*=UTF-8''${exact}`
}

function limitOf({ maxCredits, first }: Caps): string {
  if (first !== null) return `only the first ${pluralize(first, 'search')}`
  return maxCredits === null ? 'without a cap' : `with a cap of ${formatNumber(maxCredits)} in all`
}

function capFrom(value: unknown): number | null {
  const text = typeof value === 'string' ? value.replace(/[,\s]/g, '') : ''
  if (text === '') return null
  const cap = Number(text)
  if (Number.isSafeInteger(cap) && cap >= 0) return cap
  throw new UsageError(`Expected the cap to be a whole number of credits, or empty for none, found "${text}".`)
}
