import { basename, extname, resolve } from 'node:path'
import { pauseMessage } from '../../batches/status-message.js'
import { type LoadedBatch, load } from '../../batches/submit.js'
import type { Catalog } from '../../catalog/catalog.js'
import type { Doubts } from '../../catalog/doubts.js'
import { checkApi } from '../../control/same-api.js'
import type { ExitCode } from '../../domain/errors.js'
import { pluralize } from '../../domain/format.js'
import { LONGEST_LABEL } from '../../domain/label.js'
import type { Filters } from '../../domain/request.js'
import type { Priority } from '../../domain/states.js'
import { waitForBatch } from '../commands/wait.js'
import { maySpend } from '../lib/ask.js'
import { type Cli, isTerminal } from '../lib/cli.js'
import { interruptible, orAborted, untilAborted } from '../lib/interrupt.js'
import { openProgressLine } from '../lib/progress.js'
import { type Feeding, leftToWorkers, openFeeding } from '../lib/queue.js'
import { type Session, withSession } from '../lib/session.js'
import { planView } from '../plan-view.js'
import { type PlanView, renderPlan } from '../render/plan.js'
import { keepHeapSmall } from '../small-heap.js'

export interface SubmitOptions {
  readonly query?: string
  readonly id?: string
  readonly limit?: number
  readonly filters?: Filters
  readonly name?: string
  readonly priority: Priority
  readonly maxCredits?: number
  readonly first?: number
  /** In days. */
  readonly maxAge?: number
  readonly delimiter?: string
  readonly encoding?: string
  readonly headerRow?: number
  readonly dryRun?: boolean
  readonly yes?: boolean
  readonly wait?: boolean
  readonly json?: boolean
}

/**
 * From a file to a released batch: load → plan → confirm → release → feed. Until the release the
 * batch is *loading*, and every early exit drops it: an error, a no, --dry-run, Ctrl-C, another
 * store's Redis. After the release nothing fails any more: an unreachable Redis or Ctrl-C is
 * reported, and a worker feeds the batch.
 */
export async function submit(cli: Cli, file: string, options: SubmitOptions): Promise<ExitCode> {
  return withSession(cli, async (session) => {
    if (options.json !== true) cli.detail(`data directory: ${session.settings.dataDir}`)
    // The plan counts stored answers as free, and rows get them: they must be of the same API.
    await checkApi({ store: session.store, apiUrl: session.settings.apiUrl })
    let released: Released | null = null
    return interruptible<ExitCode>(
      cli,
      async (signal) => {
        const submitted = await loadAndRelease(cli, session, { file, options, signal })
        if (submitted.kind === 'ended') return submitted.code
        released = submitted
        await feedReleased(cli, session, submitted, options)
        signal.throwIfAborted()
        return options.wait === true ? waitForBatch(cli, session, { batchId: submitted.id, timeoutMs: null }) : 0
      },
      () => {
        if (released !== null) {
          return leftToWorkers(
            cli,
            `Batch ${released.id} is released`,
            `Stop it with \`trackyard-batch cancel ${released.id}\`.`,
          )
        }
        cli.say('Interrupted: batch dropped, nothing was spent.')
        return 1
      },
    )
  })
}

type Submitted = Released | { readonly kind: 'ended'; readonly code: ExitCode }

interface Released {
  readonly kind: 'released'
  readonly id: number
  readonly isDone: boolean
  readonly feeding: Feeding
}

interface Order {
  readonly file: string
  readonly options: SubmitOptions
  readonly signal: AbortSignal
}

async function loadAndRelease(cli: Cli, session: Session, order: Order): Promise<Submitted> {
  const { options, signal } = order
  const name = options.name ?? nameOf(order.file, session.now())
  const caps = { maxCredits: options.maxCredits ?? null, first: options.first ?? null }
  const { batch, columns, notes, doubts, filterNames } = await loadCatalog(cli, session, order, name)
  let isDecided = false
  try {
    const view = await planView(session, {
      name,
      plan: batch.plan,
      caps,
      columns,
      notes,
      doubts: doubts.messages(),
      filterNames,
      signal,
    })
    if (options.json !== true) cli.print(renderPlan(view, cli.paint))
    else for (const doubt of [...view.doubts, ...view.filterDoubts]) cli.say(doubt)
    if (options.dryRun === true) {
      // Printed before the drop, which is slow for a big catalog.
      if (options.json === true) cli.printJson(submitJson(null, view))
      await batch.drop()
      isDecided = true
      if (options.json !== true) cli.say('Dry run: nothing was kept, nothing was spent.')
      return { kind: 'ended', code: 0 }
    }
    const spending = {
      credits: view.estimate.creditsNeeded,
      confirmAbove: session.settings.confirmAbove,
      yes: options.yes === true,
      doubts: doubts.needConfirmation ? view.doubts : [],
      mayAsk: order.file !== '-',
      wayOut: 'cap it with --max-credits or --first. The batch was dropped, nothing was spent.',
      signal,
    }
    if (!(await maySpend(cli, spending))) {
      cli.say('Not released: batch dropped, nothing was spent.')
      return { kind: 'ended', code: 4 }
    }
    const feeding = await openFeeding(cli, session, signal)
    await batch.release(caps)
    isDecided = true
    if (options.json === true) cli.printJson(submitJson(batch.id, view))
    else cli.say(`Released as batch ${batch.id} (${name}).`)
    const isDone = batch.plan.new + batch.plan.alreadyQueued === 0
    return { kind: 'released', id: batch.id, isDone, feeding }
  } finally {
    if (!isDecided) await batch.drop()
  }
}

interface Loaded {
  readonly batch: LoadedBatch
  readonly columns: readonly string[]
  /** How the catalog was read, if that was not obvious. */
  readonly notes: readonly string[]
  readonly doubts: Doubts
  readonly filterNames: ReadonlySet<string>
}

async function loadCatalog(cli: Cli, session: Session, order: Order, name: string): Promise<Loaded> {
  const { openCatalog } = await import('../../catalog/open-catalog.js')
  const { compileRows } = await import('../../catalog/compile-rows.js')
  const { collectDoubts } = await import('../../catalog/doubts.js')
  const { notingFilters } = await import('../../catalog/filters.js')
  const { file, options, signal } = order
  const path = file === '-' ? null : resolve(cli.io.cwd, file)
  if (path === null && isTerminal(cli.io.stdin)) cli.say('Reading the catalog from standard input. End it with Ctrl-D.')
  const source = path === null ? { stream: cli.io.stdin, name: 'standard input' } : { path }
  const catalog = await orAborted(
    openCatalog(source, {
      delimiter: options.delimiter,
      encoding: options.encoding,
      headerRow: options.headerRow,
    }),
    signal,
  )
  const line = openProgressLine(cli)
  keepHeapSmall()
  try {
    const doubts = collectDoubts()
    const rows = compileRows({
      catalog,
      template: options.query ?? null,
      idColumn: options.id ?? null,
      limit: options.limit,
      filters: options.filters,
      doubts,
    })
    const filterNames = new Set(Object.keys(options.filters ?? {}))
    // Only JSON Lines rows may have filters of their own.
    const all = catalog.format === 'jsonl' ? notingFilters(rows, filterNames) : rows
    const batch = await load(session, newBatch(catalog, name, path, options), untilAborted(all, signal), {
      signal,
      progress: (loaded) => line.show(`loading: ${pluralize(loaded, 'row')}`),
    })
    return { batch, columns: catalog.columns, notes: catalog.notes, doubts, filterNames }
  } finally {
    line.clear()
    catalog.close()
  }
}

function newBatch(catalog: Catalog, name: string, path: string | null, options: SubmitOptions) {
  return {
    name,
    catalogPath: path,
    format: catalog.format,
    delimiter: catalog.delimiter,
    byteOrderMark: catalog.byteOrderMark,
    quoting: catalog.quoting,
    preamble: catalog.preamble,
    columns: catalog.columns,
    template: options.query ?? null,
    priority: options.priority,
    maxAgeMs: options.maxAge === undefined ? null : options.maxAge * DAY_MS,
  }
}

const DAY_MS = 24 * 60 * 60 * 1000

/** "catalogs/night.csv", "night.csv.gz" → "night"; standard input is named by the time. */
function nameOf(file: string, now: number): string {
  if (file === '-') return `stdin-${new Date(now).toISOString().slice(0, 19).replaceAll(':', '')}`
  const plain = basename(file).replace(/\.gz$/i, '')
  return basename(plain, extname(plain))
    .replace(/\p{Cc}+/gu, ' ')
    .slice(0, LONGEST_LABEL)
}

/** The keys are a public contract. `new` and the three `already_…` add up to `searches`. */
function submitJson(batch: number | null, { name, plan, estimate: { creditsNeeded } }: PlanView): object {
  return {
    batch,
    name,
    rows: plan.rows,
    accepted: plan.accepted,
    invalid: plan.invalid,
    searches: plan.searches,
    new: plan.new,
    already_queued: plan.alreadyQueued,
    already_answered: plan.alreadyAnswered,
    already_dead: plan.alreadyDead,
    credits_needed: creditsNeeded,
  }
}

/** Feeds the queue and prints the next command. */
async function feedReleased(cli: Cli, session: Session, released: Released, { json }: SubmitOptions): Promise<void> {
  const workers = await released.feeding.fill()
  if (json === true) return
  const pause = released.isDone ? null : await pauseNotice(session)
  if (pause !== null) cli.say(pause)
  const next = released.isDone
    ? `trackyard-batch export ${released.id}`
    : workers === 0
      ? 'trackyard-batch up   (no worker is running)'
      : `trackyard-batch wait ${released.id}`
  cli.say(`Next: ${next}`)
}

/** Why the batch will not move yet; null if nothing is paused. */
async function pauseNotice({ store, now, settings }: Session): Promise<string | null> {
  const [pause] = await store.pauses.list()
  if (pause === undefined) return null
  const autoResumeMs = settings.autoResumeHours * 60 * 60 * 1000
  return pauseMessage(pause, now(), { watch: await store.pauses.watch(), autoResumeMs })
}
