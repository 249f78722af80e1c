import type { Readable } from 'node:stream'
import { type Estimate, estimate, isInTime } from '../batches/estimate.js'
import { findBatch } from '../batches/find-batch.js'
import { droppedError, type LoadedBatch, loadBatch } from '../batches/load-batch.js'
import { checkCaps, checkMaxAge, checkName, checkPriority, checkTimes, type Times } from '../batches/options.js'
import type { Catalog } from '../catalog/catalog.js'
import { isExportColumn } from '../catalog/column-names.js'
import { compileRows, missingIdNote } from '../catalog/compile-rows.js'
import { collectDoubts } from '../catalog/doubts.js'
import { isOrdinaryFile } from '../catalog/input/source.js'
import { openObjects } from '../catalog/object-rows.js'
import { openCatalog } from '../catalog/open-catalog.js'
import { unusedKeysDoubt } from '../catalog/row-request.js'
import { LOWEST_TIER_PER_MINUTE } from '../control/rate-limit.js'
import { knownAccount, refreshAccount } from '../control/refresh-account.js'
import { requireCompatibleApi } from '../control/same-api.js'
import { NEVER_ABORTED, orAborted, untilAborted } from '../domain/abortable.js'
import { RefusedError, UsageError } from '../domain/errors.js'
import { formatNumber } from '../domain/format.js'
import type { Pause } from '../domain/pause.js'
import { capOf } from '../store/batch-row.js'
import type { Account, Batch, Caps, Plan } from '../store/store.js'
import type { BatchOptions, RowChanges } from './batch-client.js'
import { type Feeding, openFeeding, type Session } from './session.js'

/** Where a batch comes from: a script's objects, a file, or a stream of one. */
export type SubmitSource =
  | { readonly rows: Iterable<unknown> | AsyncIterable<unknown> }
  | { readonly path: string }
  | { readonly stream: Readable; readonly name: string }

/** What a batch would cost and how long it would take, before anything is spent. */
export interface BatchPlan extends Plan {
  readonly name: string
  /** Includes the caps, unlike `creditsNeeded` of the plan. */
  readonly estimate: Estimate
  /** False if the rate limit is that of the lowest tier, because the account is not known yet. */
  readonly isRateKnown: boolean
  /** The lower one of `maxCredits` and `first`; null: no cap. */
  readonly cap: number | null
  readonly creditReserve: number
  /** When calls may start, such as `22:00-06:00`, and the zone; null: at any time. */
  readonly activeHours: { readonly hours: string; readonly zone: string } | null
  /** Why the balance is the last known one, or unknown; null if it is fresh. */
  readonly accountStaleReason: string | null
  /** Columns of the catalog that an earlier export has added. */
  readonly replacedColumns: readonly string[]
  /** How the catalog was read, if that was not obvious: "tab-separated", "header on line 3". */
  readonly notes: readonly string[]
  /** Warnings about rows and filters that may not be what the user means. */
  readonly doubts: readonly string[]
  /** Whether a doubt is about searches that nobody may want to pay for. */
  readonly needsConfirmation: boolean
  /** Of a name that another batch has, or that looks like an id. */
  readonly warnings: readonly string[]
  /** When it is released, ms; null: at once. */
  readonly notBefore: number | null
  /** When it should be done, ms; null: no deadline. */
  readonly deadline: number | null
  /** Whether it will be done by the deadline; null: no deadline, or that depends on a top-up or on the end of a pause. */
  readonly meetsDeadline: boolean | null
  /** How the rows differ from those of the batch that it continues; null: it continues none. */
  readonly continues: { readonly changes: RowChanges; readonly name: string; readonly byId: boolean } | null
  /** What stops the calls now; the active hours only if nothing else does. */
  readonly pause: Pause | null
  readonly rateLimitedUntil: number | null
  readonly now: number
}

/** Loaded and planned, neither released nor dropped yet. Nothing is spent for it. Who plans one drops it in the end. */
export interface PlannedBatch {
  readonly id: number
  readonly plan: BatchPlan
  /**
   * Makes its searches due. Redis is opened first: if it belongs to another store, nothing is
   * released.
   */
  release(signal?: AbortSignal): Promise<Feeding>
  /** Deletes it; nothing was spent. Does nothing after a release. */
  drop(): Promise<void>
}

export interface SubmitHooks {
  /** Called with the number of rows so far. */
  readonly progress?: ((rows: number) => void) | undefined
  /** Ends loading and drops the batch. */
  readonly signal?: AbortSignal | undefined
}

/**
 * Loads the rows, streamed, and plans them.
 * @throws UsageError for options or rows that cannot work; ConfigurationError if the store holds
 * answers of another API; the signal's reason
 */
export async function planBatch(
  session: Session,
  source: SubmitSource,
  options: BatchOptions,
  { progress, signal = NEVER_ABORTED }: SubmitHooks,
): Promise<PlannedBatch> {
  const { store } = session
  const caps = { maxCredits: options.maxCredits ?? null, first: options.first ?? null }
  checkCaps(caps)
  checkPriority(options.priority)
  const maxAgeMs = checkMaxAge(options.maxAgeDays)
  checkText('query', options.query)
  checkText('id', options.id)
  const times = checkTimes(options, session.now())
  // The plan counts stored answers as free, and rows get them: they must be of the same API.
  await requireCompatibleApi({ store, apiUrl: session.settings.apiUrl })
  const earlier = await earlierBatch(session, options.continues)
  const name = checkName(options.name ?? earlier?.name)
  const template = options.query ?? earlier?.template ?? null
  const rowOptions = {
    id: options.id ?? earlier?.rowOptions.id,
    limit: options.limit ?? earlier?.rowOptions.limit,
    filters: options.filters ?? earlier?.rowOptions.filters,
  }
  const opening = 'rows' in source ? openObjects(source.rows, name, signal) : openCatalog(source, options, signal)
  const opened = await orAborted(opening, signal)
  const catalog = options.id === undefined && earlier !== null ? namingIdOf(earlier, opened) : opened
  try {
    const doubts = collectDoubts(catalog.words.row)
    const rows = compileRows({
      catalog,
      template,
      idColumn: rowOptions.id,
      limit: rowOptions.limit,
      filters: rowOptions.filters,
      doubts,
    })
    const idNote = missingIdNote(catalog, rowOptions.id ?? null)
    const batch = await loadBatch(
      session,
      {
        ...fileFacts(catalog),
        catalogPath: 'path' in source && (await isOrdinaryFile(source.path)) ? source.path : null,
        ...{ name, maxAgeMs, template, rowOptions, continues: earlier?.id ?? null },
        priority: options.priority ?? earlier?.priority ?? 'normal',
      },
      untilAborted(rows, signal),
      { signal, ...(progress !== undefined && { progress }) },
    )
    try {
      const plan = {
        ...(await costOf(session, batch.plan, caps, times)),
        name,
        replacedColumns: catalog.columns.filter(isExportColumn).map((column) => column.trim()),
        notes: idNote === null ? catalog.notes : [...catalog.notes, idNote],
        doubts: [
          ...doubts.messages(),
          ...[repeatedIdDoubt(batch.plan, catalog, rowOptions.id), unusedKeysDoubt(catalog, template)].filter(
            (doubt) => doubt !== null,
          ),
        ],
        needsConfirmation: doubts.needsConfirmation,
        warnings: await nameWarnings(store, batch.id, name, earlier),
        continues: earlier === null ? null : await changesSince(store, earlier, batch.id),
      }
      signal.throwIfAborted()
      return { id: batch.id, plan, drop: batch.drop, release: (stop) => release(session, batch, caps, times, stop) }
    } catch (error) {
      await batch.drop()
      throw error
    }
  } finally {
    catalog.close()
  }
}

async function changesSince(store: Session['store'], earlier: Batch, id: number): Promise<BatchPlan['continues']> {
  const { byId, ...changes } = await store.batches.compare(earlier.id, id)
  return { changes: { batch: earlier.id, ...changes }, name: earlier.name, byId }
}

/** The column of ids may be the wrong one, such as the id of an artist. */
function repeatedIdDoubt({ repeatedIds }: Plan, { words }: Catalog, column = 'id'): string | null {
  if (repeatedIds === 0) return null
  const option = words.row === 'line' ? '--id' : 'the option id'
  const repeat = repeatedIds === 1 ? '1 row repeats' : `${formatNumber(repeatedIds)} rows repeat`
  return `${repeat} the id of another row. If the ${words.column} "${column.trim()}" is not unique, name another one with ${option}.`
}

/** One that is continued gives up its name. */
async function nameWarnings(
  store: Session['store'],
  id: number,
  name: string,
  earlier: Batch | null,
): Promise<readonly string[]> {
  const [other] = (await store.batches.idsOf(name)).filter((each) => each !== id && each !== earlier?.id)
  return [
    ...(other === undefined ? [] : [`Batch ${other} is named "${name}", too: tell them apart by their ids.`]),
    ...(/^\d+$/.test(name) && Number(name) !== id
      ? [`Commands take "${name}" for the id of a batch: use the id of this one, or give it another name.`]
      : []),
  ]
}

/** @param value a script without types may pass anything */
function checkText(option: string, value: unknown): void {
  if (value === undefined || typeof value === 'string') return
  throw new UsageError(`Expected the option ${option} to be a text, found ${typeof value}.`)
}

/** For the message about a catalog that lacks the id column of the batch that it continues. */
function namingIdOf({ id }: Batch, catalog: Catalog): Catalog {
  return { ...catalog, words: { ...catalog.words, id: `Batch ${id}, which this one continues,` } }
}

/** @throws UsageError if there is no such batch; RefusedError if it is not released yet */
async function earlierBatch(session: Session, idOrName: number | string | undefined): Promise<Batch | null> {
  if (idOrName === undefined) return null
  const batch = await findBatch(session, String(idOrName))
  if (batch.state !== 'loading') return batch
  throw new RefusedError(
    batch.notBefore !== null
      ? `Batch ${batch.id} is not released yet. Cancel it and submit the new catalog in its place.`
      : `Batch ${batch.id} is still loading, so nothing can continue it yet.`,
    { code: 'batch_loading' },
  )
}

async function release(
  session: Session,
  batch: LoadedBatch,
  caps: Caps,
  times: Times,
  signal?: AbortSignal,
): Promise<Feeding> {
  // Checked before Redis is opened, which may start a private one.
  if ((await session.store.batches.find(String(batch.id)))?.id !== batch.id) throw droppedError(batch.id)
  const feeding = await openFeeding(session, signal)
  await batch.release(caps, times)
  return feeding
}

/** What an export needs to look like the catalog. */
function fileFacts({ format, delimiter, byteOrderMark, quoting, preamble, columns }: Catalog) {
  return { format, delimiter, byteOrderMark, quoting, preamble, columns }
}

/** Cost and duration, from what store and API know now. */
async function costOf(session: Session, plan: Plan, caps: Caps, { notBefore, deadline }: Times) {
  const { settings, store } = session
  const { account, staleReason } = await freshAccount(session)
  const cap = capOf(caps)
  const perMinute = settings.rateLimit === 'auto' ? account.limitPerMinute : settings.rateLimit
  const now = session.now()
  const { creditReserve, activeHours } = settings
  const callsPerMinute = perMinute ?? LOWEST_TIER_PER_MINUTE
  const from = Math.max(now, notBefore ?? now)
  const rateLimitedUntil = await store.pauses.rateLimitedUntil(now)
  const limits = { callsPerMinute, creditReserve, activeHours, cap, rateLimitedUntil }
  const estimated = estimate({ plan, account, ...limits, now: from })
  const pauses = await store.pauses.list()
  const stop = pauses.find(({ cause }) => cause !== 'outside_hours')
  const mayFinishLater = estimated.durationMs > 0 && (stop !== undefined || (estimated.creditsMissing ?? 0) > 0)
  const inTime = isInTime(deadline, estimated.finishAt)
  return {
    ...plan,
    estimate: estimated,
    notBefore,
    deadline,
    // The finish can then only be later: a met deadline becomes unknown, a missed one stays missed.
    meetsDeadline: mayFinishLater && inTime === true ? null : inTime,
    isRateKnown: perMinute !== null,
    cap,
    creditReserve,
    activeHours: activeHours === null ? null : { hours: activeHours.hours.text, zone: activeHours.zone },
    accountStaleReason: staleReason,
    pause: stop ?? pauses[0] ?? null,
    rateLimitedUntil,
    now,
  }
}

const SHORT_MS = 3000

/** GET /me with a short timeout. A failure never fails a plan. */
export async function freshAccount(session: Session): Promise<{ account: Account; staleReason: string | null }> {
  const { settings, store, now } = session
  const account = await knownAccount(store, settings.apiUrl)
  if (settings.apiKey === null) return { account, staleReason: 'no API key is set' }
  const api = await session.openApi()
  const quick = { url: api.url, me: () => api.me(SHORT_MS) }
  const refreshed = await refreshAccount({ store, api: quick, now })
  switch (refreshed.kind) {
    case 'ok':
      return { account: refreshed.account, staleReason: null }
    case 'unauthorized':
      return { account, staleReason: 'the API refused this key; check TRACKYARD_API_KEY' }
    case 'failed': {
      const asLastKnown = account.creditsRemaining === null ? '' : 'last known; '
      return { account, staleReason: `${asLastKnown}GET /me failed: ${refreshed.reason}` }
    }
    default:
      return refreshed satisfies never
  }
}
