import { resolve } from 'node:path'
import { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { dropAbandoned } from '../batches/abandoned.js'
import { cancelBatch, findBatch, reportOf } from '../batches/find-batch.js'
import { checkCaps, checkReason } from '../batches/options.js'
import { keptCaps, releaseBatch } from '../batches/release.js'
import { deadFilterOf, listDeadLetters, refuseEmptyFilter } from '../batches/retry.js'
import { batchStatus } from '../batches/status.js'
import { LOOK_EVERY_MS, reportNowOr, waitFor, whileStoreIsAway } from '../batches/wait.js'
import { rowTexts } from '../catalog/export/export-batch.js'
import { readEnvironment } from '../config/env-file.js'
import { loadSettings } from '../config/load-settings.js'
import { pause, resumeByHand } from '../control/pauses.js'
import { requireCompatibleApi } from '../control/same-api.js'
import { NEVER_ABORTED, orAborted, untilAborted } from '../domain/abortable.js'
import { systemClock } from '../domain/clock.js'
import { ReportedError, UnreachableError, UsageError } from '../domain/errors.js'
import { type Logger, silentLogger } from '../domain/logger.js'
import { limitRepeats } from '../log/limit-repeats.js'
import { NOTHING_RETRIED } from '../store/dead-letters.js'
import type { Batch, DeadFilter } from '../store/store.js'
import type {
  Abortable,
  BatchClient,
  BatchRef,
  BatchStatus,
  ClientOptions,
  DeadLetters,
  RowSource,
  SubmitOptions,
  WaitOutcome,
} from './batch-client.js'
import { cleanupOnError } from './cleanup.js'
import {
  accountOf,
  batchStatusOf,
  deadLetterOf,
  planOf,
  queueStatusOf,
  resultOf,
  shownRowOf,
  shownSearchOf,
  statusOf,
} from './client-views.js'
import { FILTER_OPTIONS, refuseUnknownOptions, SUBMIT_OPTIONS } from './known-options.js'
import { openSession } from './parts.js'
import { type Feeding, openFeeding, openTolerantThrottle, readStatus, type Session } from './session.js'
import { freshAccount, type PlannedBatch, planBatch, type SubmitSource } from './submit.js'

export type { Environment } from '../config/env-file.js'
export type { DeathReason } from '../domain/dead-letter.js'
export {
  CatalogError,
  ConfigurationError,
  ERROR_CODES,
  type ErrorCode,
  RefusedError,
  ReportedError as BatchError,
  UnreachableError,
  UsageError,
} from '../domain/errors.js'
export type { LogFacts, Logger } from '../domain/logger.js'
export type { CallOutcome } from '../domain/outcome.js'
export type { PauseCause } from '../domain/pause.js'
export type { Filters, FilterValue, SearchRequest } from '../domain/request.js'
export type { BatchState, Priority, QueueState, RowStatus, SearchState } from '../domain/states.js'
export type { Tags, Track } from '../domain/tags.js'
export type * from './batch-client.js'

/** Whether the error is one to react to by its `code`; for scripts that cannot import `BatchError`. */
export function isBatchError(error: unknown): error is ReportedError {
  return error instanceof ReportedError
}

/**
 * Opens the store; Redis is opened when a method needs it, and started only by those that release
 * searches.
 * @throws ConfigurationError for invalid settings; UnreachableError if the store cannot be opened
 */
export async function openBatchClient(options: ClientOptions = {}): Promise<BatchClient> {
  const settings = loadSettings(options.env ?? readEnvironment())
  const log = limitRepeats(options.log ?? silentLogger, systemClock.monotonicMs)
  return cleanupOnError(async (cleanup) => {
    const session = await openSession(settings, log, cleanup, { actor: 'script' })
    const { store } = session
    let isClosed = false

    function begin(options: Abortable, ...known: readonly string[]): void {
      if (isClosed) throw new UsageError('This batch client is closed. Open another one with openBatchClient().')
      refuseUnknownOptions(options, [...known, 'signal'])
      options.signal?.throwIfAborted()
    }

    async function planRows(rows: RowSource, options: SubmitOptions): Promise<PlannedBatch> {
      begin(options, ...SUBMIT_OPTIONS)
      const { signal, onProgress, ...batchOptions } = options
      return planBatch(session, sourceOf(rows), batchOptions, { signal, progress: onProgress })
    }

    function find(batch: BatchRef): Promise<Batch> {
      return findBatch(session, String(batch))
    }

    async function statusOfBatch(batch: Batch): Promise<BatchStatus> {
      const report = await reportOf(store, batch.id)
      if (report === null) throw new UsageError(`Batch ${batch.id} was dropped.`, { code: 'no_such_batch' })
      return batchStatusOf(batchStatus(report))
    }

    return {
      async plan(rows, options = {}) {
        const batch = await planRows(rows, options)
        return {
          id: batch.id,
          plan: planOf(batch.plan),
          async drop() {
            begin({})
            await batch.drop()
          },
          async release(releasing = {}) {
            begin(releasing)
            await fill(log, await batch.release(releasing.signal), releasing.signal)
          },
        }
      },
      async submit(rows, options = {}) {
        const batch = await planRows(rows, options)
        let feeding: Feeding
        try {
          feeding = await batch.release(options.signal)
        } finally {
          await batch.drop()
        }
        await fill(log, feeding, options.signal)
        return { id: batch.id, plan: planOf(batch.plan) }
      },
      async release(ref, options = {}) {
        begin(options, 'maxCredits')
        const { maxCredits, signal } = options
        const batch = await find(ref)
        checkCaps({ maxCredits: maxCredits ?? null, first: null })
        const caps =
          maxCredits === undefined
            ? keptCaps(batch, 'Raise maxCredits, or remove the cap with null.')
            : { maxCredits, first: null }
        const feeding = await openFeeding(session, signal)
        await releaseBatch(session, { batch, ...caps })
        await fill(log, feeding, signal)
        return statusOfBatch(batch)
      },
      async cancel(ref, options = {}) {
        begin(options)
        const { batch, was } = await cancelBatch(session, String(ref))
        return was === 'dropped' ? null : statusOfBatch(batch)
      },
      async pause(options = {}) {
        begin(options, 'reason')
        const { reason } = options
        const said = reason === undefined ? '' : checkReason(reason)
        return pause({ ...session, queue: await openTolerantThrottle(session) }, 'operator', said)
      },
      async resume(options = {}) {
        begin(options, 'now')
        const { now, signal } = options
        const queue = await openTolerantThrottle(session)
        const { lifted, stillActive, retried } = await resumeByHand({ ...session, queue }, now === true)
        if (retried > 0) await fill(log, openFeeding(session, signal), signal)
        return { ended: lifted, stillPaused: stillActive, retried }
      },
      async status(batch, options = {}) {
        begin(options)
        const which = batch === undefined ? { limit: BATCHES_SHOWN } : { batchId: (await find(batch)).id, limit: 1 }
        return statusOf((await orAborted(readStatus(session, which), options.signal ?? NEVER_ABORTED)).report)
      },
      async wait(ref, options = {}) {
        begin(options, 'timeoutMs')
        const { timeoutMs, signal = NEVER_ABORTED } = options
        checkTimeout(timeoutMs)
        const { id } = await find(ref)
        const seen = { last: await reportOf(store, id) }
        const waited = await waitFor({ store, monotonicMs: systemClock.monotonicMs }, id, {
          timeoutMs: timeoutMs ?? null,
          signal,
          async onLook(report) {
            seen.last = report
            if (report.batch.state === 'loading') await dropAbandoned(session)
          },
        })
        // Earlier reports may count withheld rows as waiting.
        const last = waited === 'time is up' ? await reportNowOr(seen.last, store, id) : seen.last
        if (waited === 'dropped' || last === null) return { outcome: 'batch_dropped', batch: null }
        const batch = batchStatusOf(batchStatus(last))
        return { outcome: endOf(batch) ?? 'timed_out', batch }
      },
      async *watch(ref, options = {}) {
        begin(options)
        const { signal = NEVER_ABORTED } = options
        const { id } = await find(ref)
        let shown = ''
        for (;;) {
          const look = () => orAborted(readStatus(session, { batchId: id, limit: 1 }), signal)
          const { report } = await whileStoreIsAway(store, look, { signal })
          const [found] = report.batches
          // The batch was dropped.
          if (found === undefined) return
          if (found.state === 'loading') await dropAbandoned(session)
          const batch = batchStatusOf(found)
          const queue = queueStatusOf(report.queue)
          const outcome = endOf(batch)
          const facts = JSON.stringify([batch, queue.state, queue.causes, queue.until, queue.workers])
          if (facts !== shown || outcome !== null) yield { batch, queue, outcome }
          if (outcome !== null) return
          shown = facts
          await orAborted(sleep(LOOK_EVERY_MS), signal)
        }
      },
      async *results(ref, options = {}) {
        begin(options, 'after')
        const { after = 0, signal = NEVER_ABORTED } = options
        if (!Number.isSafeInteger(after) || after < 0)
          throw new UsageError(`Expected "after" to be the position of a row, found ${String(after)}.`)
        const batch = await find(ref)
        const rowText = rowTexts(batch)
        const rows = store.reports.exportRows(batch.id, { after, withAnswers: true })
        for await (const row of untilAborted(rows, signal)) yield resultOf(row, rowText)
      },
      async show(what, options = {}) {
        begin(options, 'batch')
        const batchId = options.batch === undefined ? null : (await find(options.batch)).id
        const found = await store.reports.show(String(what), batchId)
        if (found === null) return null
        return 'position' in found ? shownRowOf(found, rowTexts(found.batch)) : shownSearchOf(found)
      },
      deadLetters: deadLettersOf(session, begin),
      async account(options = {}) {
        begin(options)
        await requireCompatibleApi({ store, apiUrl: settings.apiUrl })
        const { account, staleReason } = await orAborted(freshAccount(session), options.signal ?? NEVER_ABORTED)
        return accountOf(account, staleReason)
      },
      async close() {
        isClosed = true
        await cleanup.runAll()
      },
    }
  })
}

function deadLettersOf(
  session: Session,
  begin: (options: Abortable, ...known: readonly string[]) => void,
): DeadLetters {
  const { store } = session

  async function narrowed(
    options: Parameters<DeadLetters['retry']>[0],
    verb: 'retry' | 'discard',
  ): Promise<DeadFilter> {
    begin(options, ...FILTER_OPTIONS, 'all')
    const { signal: _, all, ...named } = options
    const filter = await deadFilterOf(session, named)
    const how = 'Narrow it by batch, status, code or search, or pass { all: true }.'
    // A script without types may pass anything, such as the text 'false'.
    refuseEmptyFilter(filter, all === true, verb, how)
    return filter
  }

  return {
    async *list(options = {}) {
      begin(options, ...FILTER_OPTIONS, 'discarded')
      const { discarded = false, signal, ...named } = options
      const filter = { ...(await deadFilterOf(session, named)), discarded }
      for await (const letter of listDeadLetters(store, filter)) {
        signal?.throwIfAborted()
        yield deadLetterOf(letter)
      }
    },
    async retry(filter = {}) {
      const narrow = await narrowed(filter, 'retry')
      const feeding = await openFeeding(session, filter.signal)
      const retried = (await store.deadLetters.retry(narrow)) ?? NOTHING_RETRIED
      if (retried.due > 0) await fill(session.log, feeding, filter.signal)
      return retried
    },
    async discard(filter = {}) {
      return (await store.deadLetters.discard(await narrowed(filter, 'discard'))) ?? 0
    },
  }
}

/** NaN would never be over. @throws UsageError */
function checkTimeout(timeoutMs: unknown): void {
  if (timeoutMs === undefined || timeoutMs === null || (typeof timeoutMs === 'number' && timeoutMs >= 0)) return
  throw new UsageError(`Expected timeoutMs to be a number of milliseconds, 0 or more, found ${String(timeoutMs)}.`)
}

/** What was released is in the store already: if it cannot be queued or the caller stops, workers queue it. */
async function fill(log: Logger, feeding: Feeding | Promise<Feeding>, signal: AbortSignal | undefined): Promise<void> {
  try {
    const filled = await (await feeding).fill()
    if (filled instanceof UnreachableError)
      log.warn(
        { event: 'queue.feed_deferred', err: filled, repeats: true },
        'nothing is queued yet; a worker will queue what was released',
      )
  } catch (error) {
    if (signal?.aborted !== true) throw error
  }
}

/** Null: rows are waiting, or being loaded. */
function endOf(batch: BatchStatus): Exclude<WaitOutcome, 'batch_dropped' | 'timed_out'> | null {
  if (batch.state === 'loading' || batch.waiting > 0) return null
  if (batch.withheld > 0) return 'rows_withheld'
  return batch.rowsWithoutAnswer > 0 ? 'rows_without_answer' : 'done'
}

const BATCHES_SHOWN = 20

/** A stream of bytes is a catalog file; one of objects, like any iterable, is rows. */
function sourceOf(rows: RowSource): SubmitSource {
  if (rows instanceof Readable && !rows.readableObjectMode) return { stream: rows, name: 'the stream' }
  if (typeof rows === 'object' && rows !== null) {
    if (Symbol.iterator in rows || Symbol.asyncIterator in rows) return { rows }
    if ('path' in rows && typeof rows.path === 'string') return { path: resolve(rows.path) }
  }
  throw new UsageError('Expected rows as an array, an iterable or an async iterable of objects, or { path }.')
}
