import { resolve } from 'node:path'
import { type Command, Option } from 'commander'
import type { BatchOptions } from '../../app/batch-client.js'
import { keepHeapSmall } from '../../app/keep-heap-small.js'
import type { Feeding, Session } from '../../app/session.js'
import type { BatchPlan, SubmitSource } from '../../app/submit.js'
import { pauseMessage } from '../../batches/pause-message.js'
import { defaultBatchName } from '../../catalog/export/default-path.js'
import { parseFilters } from '../../catalog/filters.js'
import { isOrdinaryFile } from '../../catalog/input/source.js'
import type { Settings } from '../../config/settings.js'
import { isInstant, parseMoment, systemTimeZone, unnamedZone } from '../../domain/active-hours.js'
import { EndedEarlyError, type ExitCode, RefusedError, UsageError } from '../../domain/errors.js'
import { formatTime, isoOrNull, pluralize } from '../../domain/format.js'
import { PRIORITIES } from '../../domain/states.js'
import type { DocumentBody } from '../documents.js'
import { confirmSpending } from '../lib/ask.js'
import { type Act, type Cli, isTerminal } from '../lib/cli.js'
import { interruptible } from '../lib/interrupt.js'
import { addExamples, parseDays, parseDelimiter, parseLabel, parsePercentage, parseWholeNumber } from '../lib/parse.js'
import { openProgressLine } from '../lib/progress.js'
import { fillQueue, throwInterruptedWhileFeeding } from '../lib/queue.js'
import { withSession } from '../lib/session.js'
import { planWarnings, renderPlan } from '../render/plan-text.js'
import { ALLOW_FAILURES, type AllowedFailures, waitForBatch } from './wait.js'

/** Those of a batch; what has another name or type here is named below. */
interface Options extends Omit<BatchOptions, 'name' | 'continues' | 'maxAgeDays' | 'notBefore' | 'deadline'> {
  readonly name?: string
  readonly continue?: string
  /** Days. */
  readonly maxAge?: number
  readonly notBefore?: string
  readonly deadline?: string
  readonly dryRun?: boolean
  readonly yes?: boolean
  readonly wait?: boolean
  readonly allowFailures?: AllowedFailures
}

/** It stays released, whatever happens to `fill`: if Redis is unreachable, workers queue the searches later. */
interface Released extends Feeding {
  readonly id: number
  readonly plan: BatchPlan
}

export function define(command: Command, act: Act): void {
  command
    .description(
      'Loads a catalog (CSV, TSV or JSON, also gzipped), shows what it will cost and how long it will take, and releases it. ' +
        'Rows with the same request share one search. Earlier answers are reused for free.',
    )
    .argument('<file>', 'the catalog; - reads standard input')
    .option('-q, --query <template>', 'template of the query, with columns in braces (default: the column "query")')
    .option('--id <column>', 'column with your own row id (default: "id")')
    .option('--limit <n>', 'tracks wanted per search, 1-100 (default: 20)', parseWholeNumber(1, 100))
    .option('--filters <json>', 'filters for every search, as a JSON object', parseFilters)
    .option(
      '--continue <batch>',
      'a corrected or extended catalog of that batch, with its options: searches what is new or changed',
    )
    .option(
      '--name <name>',
      "the batch's name (default: the file's name without extension, or that of the batch that it continues)",
      parseLabel,
    )
    .addOption(new Option('--priority <priority>', 'which batch goes first (default: normal)').choices([...PRIORITIES]))
    .option('--max-credits <n>', 'spend at most n credits on it; the rest is withheld', parseWholeNumber(1))
    .option('--first <n>', 'release only the first n searches; `release` releases the rest', parseWholeNumber(1))
    .option('--max-age <days>', 'buy an answer again if it is older (default: never)', parseDays)
    .option('--delimiter <character>', 'between cells: one character, or tab (default: detected)', parseDelimiter)
    .option('--encoding <name>', 'of the catalog, such as windows-1251 (default: from its byte order mark, else UTF-8)')
    .option(
      '--header-row <n>',
      'line of the header (default: the first, or the one below a title)',
      parseWholeNumber(1),
    )
    .option('--not-before <time>', 'release it then: 22:00 (the next), 2026-03-01 22:00, or ISO 8601')
    .option('--deadline <time>', 'say in the plan and in `status` whether it will be done by then: 07:00 (the next)')
    .option('--dry-run', 'show the plan, keep nothing')
    .option('-y, --yes', 'do not ask, whatever the cost')
    .option('--wait', 'then wait until the batch is done, like `wait`')
    .option('--allow-failures [percentage]', `with --wait: ${ALLOW_FAILURES}`, parsePercentage)
    .option('--json', 'print one JSON document on stdout')
    .action((file: string, options: Options) => act((cli) => submit(cli, file, options)))
  addExamples(
    command,
    'trackyard-batch submit videos.csv --query "{title} {mood} music" --id video_id',
    'trackyard-batch submit videos.csv --query "{title}" --first 20      # 20 searches first',
    'trackyard-batch submit corrected.csv --continue night               # only what is new or changed',
    'trackyard-batch submit - --name night --yes --wait < scenes.jsonl',
  )
  command.addHelpText(
    'after',
    '\nExit codes: 0 released (or planned, with --dry-run), 1 interrupted before the release,\n' +
      '2 unusable catalog (or no row can be searched), 4 refused or declined, 5 interrupted after the release;\n' +
      'with --wait also those of `wait`.',
  )
}

/**
 * From a file to a released batch; see app/submit.ts. After the release neither an
 * unreachable Redis nor Ctrl-C undoes anything: a worker feeds the batch.
 */
async function submit(cli: Cli, file: string, options: Options): Promise<ExitCode> {
  if (options.allowFailures !== undefined && options.wait !== true) {
    throw new UsageError('--allow-failures is about the end of a batch: add --wait, or pass it to `wait`.')
  }
  return withSession(cli, async (session) => {
    cli.detail(`data directory: ${session.settings.dataDir}`)
    let released: Released | null = null
    return interruptible<ExitCode>(
      cli,
      async (signal) => {
        released = await loadAndRelease(cli, session, file, options, signal)
        if (released === null) return 0
        const { id, plan } = released
        cli.result('submit', submitJson(id, plan))
        cli.say(releasedLine(released, session.now()))
        await sayNext(cli, session, released, await fillQueue(cli, released))
        signal.throwIfAborted()
        if (options.wait !== true) return 0
        const allowFailures = options.allowFailures ?? 0
        const ended = await waitForBatch(cli, session, { batchId: id, timeoutMs: null, allowFailures, follow: false })
        cli.result('submit', { ...submitJson(id, plan), wait: ended.body })
        if (ended.error !== null) throw ended.error
        return 0
      },
      () => {
        if (released === null) throw new EndedEarlyError('Interrupted: batch dropped, nothing was spent.')
        const undo = `Stop it with \`trackyard-batch cancel ${released.id}\`.`
        return throwInterruptedWhileFeeding(`batch ${released.id} is released`, undo)
      },
    )
  })
}

/**
 * Until the release, every early exit drops the batch: an error, a no, an interrupt, another store's Redis.
 * @returns null with --dry-run. @throws RefusedError if the user declined
 */
async function loadAndRelease(
  cli: Cli,
  session: Session,
  file: string,
  options: Options,
  signal: AbortSignal,
): Promise<Released | null> {
  const { planBatch } = await import('../../app/submit.js')
  const source = sourceOf(cli, file)
  const line = openProgressLine(cli)
  keepHeapSmall()
  try {
    const batch = await planBatch(
      session,
      source,
      {
        ...options,
        ...timesOf(session, options),
        name: options.name ?? (options.continue === undefined ? await nameOf(source, session.now()) : undefined),
        maxAgeDays: options.maxAge,
        continues: options.continue,
      },
      { signal, progress: (loaded) => line.show(`loading: ${pluralize(loaded, 'row')}`) },
    )
    let released: Released | null = null
    try {
      line.clear()
      const { id, plan } = batch
      if (await confirmPlan(cli, session, plan, { options, mayAsk: file !== '-', signal }))
        released = { id, plan, ...(await batch.release(signal)) }
    } finally {
      // Does nothing after a release.
      await batch.drop()
    }
    if (released === null) {
      if (options.dryRun !== true)
        throw new RefusedError('Not released: batch dropped, nothing was spent.', { code: 'declined' })
      cli.say('Dry run: nothing was kept, nothing was spent.')
    }
    return released
  } finally {
    line.clear()
  }
}

function sourceOf(cli: Cli, file: string): SubmitSource {
  if (file !== '-') return { path: resolve(cli.io.cwd, file) }
  if (isTerminal(cli.io.stdin)) cli.say('Reading the catalog from standard input. End it with Ctrl-D.')
  return { stream: cli.io.stdin, name: 'standard input' }
}

/** Prints the plan, and asks above the threshold or with a doubt. */
async function confirmPlan(
  cli: Cli,
  session: Session,
  plan: BatchPlan,
  about: { readonly options: Options; readonly mayAsk: boolean; readonly signal: AbortSignal },
): Promise<boolean> {
  const { options, mayAsk, signal } = about
  cli.print(renderPlan(plan, cli.paint))
  cli.result('submit', submitJson(null, plan))
  if (options.dryRun === true) return false
  return confirmSpending(cli, {
    credits: plan.estimate.creditsNeeded,
    confirmAbove: session.settings.confirmAbove,
    yes: options.yes === true,
    doubts: plan.needsConfirmation ? plan.doubts : [],
    mayAsk,
    instead: 'cap it with --max-credits or --first. The batch was dropped, nothing was spent.',
    signal,
  })
}

/** Standard input and pipes are named by the time. */
async function nameOf(source: SubmitSource, now: number): Promise<string> {
  if ('path' in source && (await isOrdinaryFile(source.path))) return defaultBatchName(source.path)
  const time = new Date(now).toISOString().slice(0, 19).replaceAll(':', '')
  return 'path' in source ? `pipe-${time}` : `stdin-${time}`
}

function submitJson(batch: number | null, plan: BatchPlan): DocumentBody<'submit'> {
  const { estimate } = plan
  return {
    batch,
    name: plan.name,
    rows: plan.rows,
    accepted: plan.accepted,
    invalid: plan.invalid,
    invalid_reasons: plan.invalidReasons,
    searches: plan.searches,
    new: plan.creditsNeeded,
    already_queued: plan.alreadyQueued,
    already_answered: plan.alreadyAnswered,
    already_dead: plan.alreadyDead,
    credits_needed: estimate.creditsNeeded,
    cap: plan.cap,
    credits_remaining: estimate.creditsRemaining,
    credits_missing: estimate.creditsMissing,
    credit_reserve: plan.creditReserve,
    due_elsewhere: plan.dueElsewhere,
    calls_per_minute: estimate.callsPerMinute,
    calls_per_day: estimate.callsPerDay,
    days: estimate.days,
    finish_at: new Date(estimate.finishAt).toISOString(),
    not_before: isoOrNull(plan.notBefore),
    deadline: isoOrNull(plan.deadline),
    meets_deadline: plan.meetsDeadline,
    paused: plan.pause?.cause ?? null,
    rate_limited_until: isoOrNull(plan.rateLimitedUntil),
    notes: plan.notes,
    warnings: planWarnings(plan),
    example_queries: plan.examples.map((request) => request.query),
    continues: plan.continues?.changes ?? null,
  }
}

function releasedLine({ id, plan }: Released, now: number): string {
  if (plan.notBefore === null)
    return `Released as batch ${id} (${plan.name}).${continued(id, plan)}${withheld(id, plan)}`
  const until = plan.continues === null ? '' : ` Until then, batch ${plan.continues.changes.batch} continues.`
  return `Scheduled as batch ${id} (${plan.name}): a worker releases it at ${formatTime(plan.notBefore, now)}.${until} To release it now: \`trackyard-batch release ${id}\`.`
}

/** A time of day is the next one, a deadline's after the start. @throws UsageError */
function timesOf({ settings, now }: Session, { notBefore, deadline }: Options) {
  const start = notBefore === undefined ? null : momentOf(settings, '--not-before', notBefore, now())
  const end = deadline === undefined ? null : momentOf(settings, '--deadline', deadline, Math.max(start ?? 0, now()))
  return {
    notBefore: start === null ? undefined : new Date(start),
    deadline: end === null ? undefined : new Date(end),
  }
}

function momentOf({ timeZone, tz }: Settings, option: string, text: string, after: number): number {
  const zone = isInstant(text) ? 'UTC' : (timeZone ?? systemTimeZone(tz))
  if (zone === null) throw new UsageError(`${option}: ${unnamedZone(tz)}.`)
  const at = parseMoment(text, zone, after)
  if (at !== null) return at
  throw new UsageError(
    `${option}: expected a time such as 07:00, 2026-03-01 07:00, or ISO 8601, found ${JSON.stringify(text)}.`,
  )
}

function continued(id: number, { continues }: BatchPlan): string {
  return continues === null ? '' : ` It takes the place of batch ${continues.changes.batch}: export ${id} from now on.`
}

function withheld(id: number, { cap, creditsNeeded, estimate }: BatchPlan): string {
  if (cap === null || creditsNeeded <= estimate.creditsNeeded) return ''
  return ` The searches above the cap are withheld until \`trackyard-batch release ${id} --all\`.`
}

/** Why the batch will not move yet, and the next command. */
async function sayNext(cli: Cli, session: Session, { id, plan }: Released, workers: number | null): Promise<void> {
  const isDone = plan.notBefore === null && plan.creditsNeeded + plan.alreadyQueued === 0
  const { store, now, settings } = session
  const pauses = isDone ? [] : await store.pauses.list()
  if (pauses.length > 0) {
    const autoResumeMs = settings.autoResumeHours * 60 * 60 * 1000
    cli.say(pauseMessage(pauses, { watch: await store.pauses.watch(), autoResumeMs, workers, now: now() }))
  }
  const next = isDone
    ? `trackyard-batch export ${id}`
    : workers === 0
      ? 'trackyard-batch up   (no worker is running)'
      : `trackyard-batch wait ${id}`
  cli.say(`Next: ${next}`)
}
