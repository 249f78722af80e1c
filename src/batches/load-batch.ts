import { setImmediate as turn } from 'node:timers/promises'
import { CatalogError, RefusedError } from '../domain/errors.js'
import { truncate } from '../domain/format.js'
import type { Logger } from '../domain/logger.js'
import type { LoadedRow } from '../domain/request.js'
import { repeatIfLost } from '../store/repeat.js'
import type { Caps, NewBatch, Plan, Store } from '../store/store.js'
import { dropAbandoned, HEARTBEAT_MS } from './abandoned.js'
import type { Times } from './options.js'

export interface LoadParts {
  readonly store: Pick<Store, 'batches' | 'schedules'>
  readonly log: Logger
  readonly now: () => number
}

/** The most characters of rows in memory at once, since a row may be long. */
const CHUNK_CHARACTERS = 4 * 1024 * 1024
/** After so many rows, the event loop gets a turn: it handles the replies of PostgreSQL to the previous chunk. */
const ROWS_PER_TURN = 50

/** Loaded and planned, and neither released nor dropped yet. */
export interface LoadedBatch {
  readonly id: number
  readonly plan: Plan
  /** Makes its searches due: at once, or later by a worker. */
  release(caps: Caps, times: Times): Promise<void>
  /** Deletes it; nothing was spent. Does nothing after a release. */
  drop(): Promise<void>
}

export interface LoadOptions {
  readonly signal?: AbortSignal
  readonly progress?: (rows: number) => void
}

/**
 * Turns a catalog into a batch. The batch is *loading* while its rows are read and while the user decides on the plan.
 * Nothing is spent in this state, and an interrupt drops the batch. `release` makes its searches due. If the process is
 * killed, the batch stays loading: see abandoned.ts.
 *
 * Streams the rows into the store; memory does not grow with the catalog.
 * @param batch its options are checked: see options.ts
 * @param options `progress`: called with the number of rows so far
 * @throws CatalogError when no row can be searched; whatever `rows` throws. The batch is dropped first.
 */
export async function loadBatch(
  parts: LoadParts,
  batch: Omit<NewBatch, 'createdAt'>,
  rows: AsyncIterable<LoadedRow>,
  options: LoadOptions = {},
): Promise<LoadedBatch> {
  const { batches } = parts.store
  await dropAbandoned(parts)
  const id = await batches.create({ ...batch, createdAt: parts.now() })
  const heartbeat = startHeartbeat(parts, id)
  let released = false
  const drop = async (): Promise<void> => {
    await heartbeat.stop()
    if (!released) await batches.drop(id)
  }
  try {
    const loaded = await addAll(parts, id, rows, options)
    if (loaded === 0) throw new CatalogError('This catalog has no rows: nothing to submit.')
    const plan = await batches.plan(id)
    if (plan.accepted === 0) throw noRowCanBeSearched(plan)
    return {
      id,
      plan,
      drop,
      async release(caps, { notBefore, deadline }) {
        const isScheduled = notBefore !== null || deadline !== null
        // A crash after this leaves a batch that a worker releases, or, without `notBefore`, an abandoned one.
        const isSet = !isScheduled || (await parts.store.schedules.set({ batchId: id, notBefore, deadline }, caps))
        await heartbeat.stop()
        released = isSet && (notBefore !== null || (await batches.release(id, caps, parts.now())))
        if (!released) throw droppedError(id)
        if (notBefore !== null) {
          parts.log.info(
            { event: 'batch.scheduled', batch: id, name: batch.name, ...caps, notBefore },
            'batch scheduled',
          )
          return
        }
        parts.log.info(
          { event: 'batch.released', batch: id, name: batch.name, ...caps, rows: plan.rows, searches: plan.searches },
          'batch released',
        )
      },
    }
  } catch (error) {
    await drop()
    throw error
  }
}

export function droppedError(id: number): RefusedError {
  return new RefusedError(`Batch ${id} was dropped or cancelled meanwhile. Nothing was spent. Submit it again.`)
}

function noRowCanBeSearched({ rows, invalidReasons }: Plan): CatalogError {
  const reasons = invalidReasons.map((reason) => truncate(reason, 200))
  const more = rows - reasons.length
  if (more > 0) reasons.push(`… and ${more} more`)
  return new CatalogError(
    [
      `No row can be searched: ${rows === 1 ? 'the only row is' : `all ${rows} rows are`} invalid.`,
      ...reasons.map((reason) => `  ${reason}`),
      'The batch was dropped; nothing was spent. Correct the query template or the rows, then submit them again.',
    ].join('\n'),
  )
}

/** Reads the next chunk while a server stores the one before. */
async function addAll(
  parts: LoadParts,
  id: number,
  rows: AsyncIterable<LoadedRow>,
  options: LoadOptions,
): Promise<number> {
  const { batches } = parts.store
  const { rowsPerChunk } = batches
  let chunk: LoadedRow[] = []
  let characters = 0
  let loaded = 0
  let storing: Promise<void> = Promise.resolve()
  const add = async (rows: readonly LoadedRow[]): Promise<void> => {
    await repeatIfLost(() => batches.addRows(id, rows, parts.now()), options.signal)
    loaded += rows.length
    options.progress?.(loaded)
  }
  const flush = async (): Promise<void> => {
    await storing
    options.signal?.throwIfAborted()
    storing = add(chunk)
    // The error is thrown where it is awaited.
    storing.catch(() => {})
    chunk = []
    characters = 0
  }
  try {
    for await (const row of rows) {
      chunk.push(row)
      characters += row.row.length
      if (chunk.length % ROWS_PER_TURN === 0) await turn()
      if (chunk.length === rowsPerChunk || characters >= CHUNK_CHARACTERS) await flush()
    }
    if (chunk.length > 0) await flush()
    await storing
  } finally {
    // The batch is dropped next, so nothing may still be adding to it.
    await storing.catch(() => {})
  }
  return loaded
}

/** Sends the heartbeat of the loading batch, so that no other process drops it as abandoned. */
function startHeartbeat(parts: LoadParts, id: number): { stop(): Promise<void> } {
  let last: Promise<void> = Promise.resolve()
  const timer = setInterval(() => {
    last = parts.store.batches.heartbeat(id, parts.now()).catch((error: unknown) => {
      parts.log.warn(
        { event: 'batch.heartbeat_failed', err: error, batch: id, repeats: true },
        'the heartbeat of the loading batch failed; retried',
      )
    })
  }, HEARTBEAT_MS)
  timer.unref()
  return {
    async stop() {
      clearInterval(timer)
      await last
    },
  }
}
