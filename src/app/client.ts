import { findBatch } from '../batches/find-batch.js'
import type { StatusReport } from '../batches/status-report.js'
import { type Waited, waitFor } from '../batches/wait.js'
import { exportedRow } from '../catalog/export-lines.js'
import { type Environment, readEnvironment } from '../config/env-file.js'
import { loadSettings } from '../config/load-settings.js'
import type { Settings } from '../config/settings.js'
import { systemClock } from '../domain/clock.js'
import { UnreachableError, UsageError } from '../domain/errors.js'
import { type Logger, silentLogger } from '../domain/logger.js'
import type { RowStatus } from '../domain/states.js'
import type { Tags } from '../domain/tags.js'
import { limitRepeats } from '../log/limit-repeats.js'
import { withCleanup } from './cleanup.js'
import { openSession } from './parts.js'
import { type Feeding, lookNow } from './session.js'
import { type BatchPlan, planBatch, type SubmitOptions as RowOptions, submitBatch } from './submit.js'

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

export interface SubmitOptions extends Omit<RowOptions, 'delimiter' | 'encoding' | 'headerRow'> {
  /** Aborts loading and drops the batch. */
  readonly signal?: AbortSignal | undefined
}

export interface SubmittedBatch {
  readonly id: number
  readonly plan: BatchPlan
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
    const session = await openSession(settings, log, cleanup)
    const { store } = session
    let isClosed = false
    function requireOpen(): void {
      if (isClosed) throw new UsageError('This batch client is closed. Open another one with openBatchClient().')
    }

    /** The release is in the store already. If Redis is unreachable now, a worker feeds it later. */
    async function fill(feeding: Feeding): Promise<void> {
      const filled = await feeding.fill()
      if (filled instanceof UnreachableError)
        log.warn(
          { event: 'queue.feed_deferred', err: filled, repeats: true },
          'Redis is unreachable; a worker will queue the released searches',
        )
    }

    async function idOf(batch: BatchRef): Promise<number> {
      requireOpen()
      return (await findBatch(session, String(batch))).id
    }

    return {
      async plan(rows, { signal, ...options }) {
        requireOpen()
        const batch = await planBatch(session, { rows }, options, { signal })
        return {
          id: batch.id,
          plan: batch.plan,
          async drop() {
            requireOpen()
            await batch.drop()
          },
          async release() {
            requireOpen()
            await fill(await batch.release())
          },
        }
      },
      async submit(rows, { signal, ...options }) {
        requireOpen()
        const batch = await submitBatch(session, { rows }, options, { signal, confirm: () => true })
        if (batch === null) throw new Error('A batch that was confirmed is released')
        await fill(batch)
        return { id: batch.id, plan: batch.plan }
      },
      async status(batch) {
        requireOpen()
        const which = batch === undefined ? { limit: 20 } : { batchId: await idOf(batch), limit: 1 }
        return (await lookNow(session, which)).report
      },
      async wait(batch, { timeoutMs, signal } = {}) {
        return waitFor({ store, monotonicMs: systemClock.monotonicMs }, await idOf(batch), {
          timeoutMs: timeoutMs ?? null,
          ...(signal === undefined ? {} : { signal }),
        })
      },
      async *results(batch) {
        for await (const row of store.reports.exportRows(await idOf(batch))) {
          const { position, key, status, tagging, error, row: text } = exportedRow(row)
          const { tags = null, tracks = [] } = tagging ?? {}
          yield { position, id: key, status, tags, tracks, error, row: JSON.parse(text) as unknown }
        }
      },
      async close() {
        isClosed = true
        await cleanup.runAll()
      },
    }
  })
}
