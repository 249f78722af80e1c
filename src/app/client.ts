import { Readable } from 'node:stream'
import { findBatch } from '../batches/find-batch.js'
import { checkCaps, checkName } from '../batches/options.js'
import { status } from '../batches/status.js'
import type { StatusReport } from '../batches/status-report.js'
import { load } from '../batches/submit.js'
import { type Waited, waitFor } from '../batches/wait.js'
import { compileRows } from '../catalog/compile-rows.js'
import { exportedRow } from '../catalog/export-lines.js'
import { openCatalog } from '../catalog/open-catalog.js'
import { type Environment, readEnvironment } from '../config/env-file.js'
import { loadSettings } from '../config/load-settings.js'
import type { Settings } from '../config/settings.js'
import { applyRateLimit } from '../control/rate-limit.js'
import { checkApi } from '../control/same-api.js'
import { systemClock } from '../domain/clock.js'
import { UnreachableError, UsageError } from '../domain/errors.js'
import { type Logger, silentLogger } from '../domain/logger.js'
import type { Filters } from '../domain/request.js'
import type { Priority, RowStatus } from '../domain/states.js'
import type { Tags } from '../domain/tags.js'
import { limitRepeats } from '../log/limit-repeats.js'
import { feed } from '../maintenance/feeder.js'
import { recoverRedis } from '../maintenance/redis-recovery.js'
import type { Plan } from '../store/store.js'
import { withCleanup } from './cleanup.js'
import { openConfiguredQueue, openConfiguredStore } from './parts.js'

/**
 * Batches from a script: the command line as functions. A client spends nothing; a worker
 * (`trackyard-batch worker`) makes the calls. A client needs no API key.
 *
 *   const client = await openBatchClient()
 *   const batch = await client.submit(rows, { name: 'spring', query: '{title} {mood} music' })
 *   await client.wait(batch.id)
 *   for await (const row of client.results(batch.id)) console.log(row.id, row.tags?.genre)
 *   await client.close()
 *
 * After `close`, every other call throws a UsageError.
 */
export interface BatchClient {
  /**
   * Loads the rows as a batch and releases it. Rows are streamed: memory does not grow with their
   * number.
   * @throws UsageError if no row can be searched, the query column is missing, a row cannot be
   * written as JSON, or an option is invalid; ConfigurationError if the store holds answers of an
   * API other than TRACKYARD_API_URL
   */
  submit(rows: Iterable<Row> | AsyncIterable<Row>, options: SubmitOptions): Promise<SubmittedBatch>
  /**
   * Loads the rows but does not release them. Nothing is spent until `release`; `drop` deletes the
   * batch.
   */
  plan(rows: Iterable<Row> | AsyncIterable<Row>, options: SubmitOptions): Promise<PlannedBatch>
  /** The state of the queue and of each batch, with a status message. */
  status(batch?: BatchRef): Promise<StatusReport>
  /**
   * Waits until every row has its final status (dead included), only withheld rows remain, the
   * batch was dropped before its release, or the timeout is reached.
   */
  wait(batch: BatchRef, options?: { readonly timeoutMs?: number; readonly signal?: AbortSignal }): Promise<Waited>
  /**
   * Every row in input order, each with exactly one status. All rows are from one snapshot, unless
   * reading takes longer than 30 s.
   */
  results(batch: BatchRef): AsyncIterable<Result>
  close(): Promise<void>
}

/**
 * An object with named values. Without a template it carries the request itself: `query`, and
 * optionally `limit`, `offset` and `filters`.
 */
export type Row = Readonly<Record<string, unknown>>

/** A batch's id, or its name. */
export type BatchRef = number | string

export interface SubmitOptions {
  /** One line, 1 to 200 characters. */
  readonly name: string
  /** A template such as `"{title} {mood} music"`. Default: each row's own `query`. */
  readonly query?: string
  /** The property that holds your own id. Default: `id`, if there is one. */
  readonly id?: string
  /** Tracks wanted per search, 1–100. Default 20. */
  readonly limit?: number
  readonly filters?: Filters
  readonly priority?: Priority
  /** The most credits this batch may use. Default: no cap. */
  readonly maxCredits?: number
  /** Release only the first n searches, at least 1. `trackyard-batch release` releases the rest. */
  readonly first?: number
  /** Buy an answer again if it is older than this. Default: never. */
  readonly maxAgeDays?: number
  /** Aborts loading and drops the batch. */
  readonly signal?: AbortSignal
}

export interface SubmittedBatch {
  readonly id: number
  readonly plan: Plan
}

export interface PlannedBatch extends SubmittedBatch {
  release(): Promise<void>
  drop(): Promise<void>
}

export interface Result {
  readonly position: number
  readonly id: string | null
  readonly status: RowStatus
  /** Null unless tagged. */
  readonly tags: Tags | null
  /** Track ids, best match first. */
  readonly tracks: readonly string[]
  readonly error: string | null
  readonly row: unknown
}

export interface ClientOptions {
  /** Where settings are read from. Default: this process's environment and `.env`. */
  readonly env?: Environment
  readonly log?: Logger
}

const DAY_MS = 24 * 60 * 60 * 1000

/**
 * @throws ConfigurationError for invalid settings; UnreachableError if Redis or the store is
 * unreachable
 */
export async function openBatchClient(options: ClientOptions = {}): Promise<BatchClient> {
  const settings = loadSettings(readEnvironment(options.env === undefined ? {} : { env: options.env }))
  return clientFor(settings, limitRepeats(options.log ?? silentLogger, systemClock.monotonicMs))
}

async function clientFor(settings: Settings, log: Logger): Promise<BatchClient> {
  return withCleanup(async (cleanup) => {
    const { now } = systemClock
    const store = await openConfiguredStore(settings, log, cleanup)
    const queue = await openConfiguredQueue(settings, log, cleanup)
    const setRate = () => applyRateLimit({ store, queue, log, rateLimit: settings.rateLimit })
    const parts = { store, queue, log, now, setRate }
    // Detect another store's Redis now, before anything is released.
    await recoverRedis(parts)
    let isClosed = false
    function requireOpen(): void {
      if (isClosed) throw new UsageError('This batch client is closed. Open another one with openBatchClient().')
    }

    /**
     * The release is in the store already. If Redis is unreachable now, a worker feeds it later.
     */
    async function feedIfPossible(): Promise<void> {
      try {
        if ((await recoverRedis(parts)) !== 'elsewhere') await feed(parts)
      } catch (error) {
        if (!(error instanceof UnreachableError)) throw error
        log.warn(
          { event: 'queue.feed_deferred', err: error, repeats: true },
          'Redis is unreachable; a worker will queue the released searches',
        )
      }
    }

    async function plan(rows: Iterable<Row> | AsyncIterable<Row>, wanted: SubmitOptions): Promise<PlannedBatch> {
      requireOpen()
      const name = checkName(wanted.name)
      const caps = { maxCredits: wanted.maxCredits ?? null, first: wanted.first ?? null }
      checkCaps(caps)
      // The plan counts stored answers as free, and rows get them: they must be of the same API.
      await checkApi({ store, apiUrl: settings.apiUrl })
      const catalog = await openCatalog({ stream: Readable.from(jsonLines(rows)), name }, { format: 'jsonl' })
      const template = wanted.query ?? null
      const loaded = compileRows({
        catalog,
        template,
        idColumn: wanted.id,
        limit: wanted.limit,
        filters: wanted.filters,
      })
      const batch = await load(
        parts,
        {
          name,
          catalogPath: null,
          format: 'jsonl',
          delimiter: null,
          byteOrderMark: false,
          columns: [],
          template,
          priority: wanted.priority ?? 'normal',
          maxAgeMs: wanted.maxAgeDays === undefined ? null : wanted.maxAgeDays * DAY_MS,
        },
        loaded,
        wanted.signal === undefined ? {} : { signal: wanted.signal },
      )
      return {
        id: batch.id,
        plan: batch.plan,
        async drop() {
          requireOpen()
          await batch.drop()
        },
        async release() {
          requireOpen()
          await batch.release(caps)
          await feedIfPossible()
        },
      }
    }

    async function idOf(batch: BatchRef): Promise<number> {
      requireOpen()
      return (await findBatch(parts, String(batch))).id
    }

    return {
      plan,
      async submit(rows, wanted) {
        const planned = await plan(rows, wanted)
        await planned.release()
        return { id: planned.id, plan: planned.plan }
      },
      async status(batch) {
        requireOpen()
        const which = batch === undefined ? { limit: 20 } : { batchId: await idOf(batch), limit: 1 }
        return status({ store, queue, now, settings }, which)
      },
      async wait(batch, { timeoutMs, signal } = {}) {
        return waitFor({ store, monotonicMs: systemClock.monotonicMs }, await idOf(batch), {
          timeoutMs: timeoutMs ?? null,
          ...(signal === undefined ? {} : { signal }),
        })
      },
      async *results(batch) {
        for await (const row of store.reports.exportRows(await idOf(batch))) {
          const { position, key, status, tags, tracks, error, row: text } = exportedRow(row)
          const ids = tracks.map((track) => track.id)
          yield { position, id: key, status, tags, tracks: ids, error, row: JSON.parse(text) as unknown }
        }
      },
      async close() {
        isClosed = true
        await cleanup.runAll()
      },
    }
  })
}

async function* jsonLines(rows: Iterable<Row> | AsyncIterable<Row>): AsyncGenerator<Buffer> {
  let position = 0
  for await (const row of rows) {
    position += 1
    yield Buffer.from(`${jsonOf(row, position)}\n`)
  }
}

function jsonOf(row: Row, position: number): string {
  try {
    return JSON.stringify(row)
  } catch (error) {
    // A BigInt or a circular reference.
    const found = error instanceof Error ? error.message.split('\n')[0] : String(error)
    throw new UsageError(`Row ${position}: expected values that JSON can represent (${found}).`, {
      cause: error,
    })
  }
}
