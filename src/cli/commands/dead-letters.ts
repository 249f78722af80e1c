import type { Command } from 'commander'
import { openFeeding, type Session } from '../../app/session.js'
import { deadFilterOf, listDeadLetters, refuseEmptyFilter } from '../../batches/retry.js'
import { didYouMean } from '../../domain/did-you-mean.js'
import { type ExitCode, RefusedError, UsageError } from '../../domain/errors.js'
import { formatNumber, pluralize } from '../../domain/format.js'
import { NOTHING_RETRIED } from '../../store/dead-letters.js'
import type { BatchReport, DeadLetterEntry, Retried, RetryPrice } from '../../store/store.js'
import type { DocumentBody } from '../documents.js'
import { askToConfirm } from '../lib/ask.js'
import type { Act, Cli } from '../lib/cli.js'
import { interruptible, throwInterrupted } from '../lib/interrupt.js'
import { addExamples, parseText, parseWholeNumber } from '../lib/parse.js'
import { fillQueue, throwInterruptedWhileFeeding } from '../lib/queue.js'
import { withSession } from '../lib/session.js'
import {
  dueAgainText,
  NONE_MATCHES,
  renderDeadLetter,
  renderDeadLetters,
  renderRetried,
} from '../render/dead-letters-text.js'

export function define(command: Command, act: Act): void {
  command.description(
    'Searches that failed for good: refused by the API, unreadable, crashed, or out of attempts. Without a subcommand: list.',
  )
  const list = command
    .command('list', { isDefault: true })
    .summary('lists them, grouped by what went wrong')
    .description('Lists them, grouped by what went wrong.')
    .allowExcessArguments()
    .action((options: LetterOptions, self: Command) => act((cli) => listAll(cli, options, self.args)))
  const show = command
    .command('show')
    .summary('shows one: the request, the error, the remedy')
    .description('Shows one: the request, the error, the remedy.')
    .argument('<search>', 'its fingerprint, or at least the first 6 digits of it')
    .action((search: string) => act((cli) => showOne(cli, search)))
  const retry = command
    .command('retry')
    .summary('sends them back to the queue with fresh attempts; shows the cost and asks first')
    .description('Sends them back to the queue with fresh attempts; shows the cost and asks first.')
    .argument('[search]', 'only this one, even if it was discarded')
    .action((search: string | undefined, options: LetterOptions) => act((cli) => retryAll(cli, search, options)))
  const discard = command
    .command('discard')
    .summary('takes them off the list; their rows stay dead in the export')
    .description('Takes them off the list; their rows stay dead in the export.')
    .argument('[search]', 'only this one')
    .action((search: string | undefined, options: LetterOptions) => act((cli) => discardAll(cli, search, options)))
  for (const each of [list, retry, discard]) {
    each
      .option('--status <n>', 'with this HTTP status', parseWholeNumber(100, 599))
      .option('--code <code>', 'with this error code from the API', parseText)
      .option('--batch <batch>', 'wanted by this batch, by id or name')
  }
  list.option('--all', 'list all (the default)')
  list.option('--discarded', 'list the discarded ones')
  for (const each of [retry, discard]) {
    each.option('--all', 'all of them; required without another filter').option('-y, --yes', 'do not ask')
  }
  for (const each of [list, show, retry, discard]) each.option('--json', 'print one JSON document on stdout')
  addExamples(list, 'trackyard-batch dead-letters', 'trackyard-batch dead-letters list --status 400 --json')
  addExamples(show, 'trackyard-batch dead-letters show 3f9a1c')
  addExamples(
    retry,
    'trackyard-batch dead-letters retry --status 500',
    'trackyard-batch dead-letters retry --all --yes',
  )
  addExamples(discard, 'trackyard-batch dead-letters discard --batch night --code invalid_parameters')
  addExamples(
    command,
    'trackyard-batch dead-letters',
    'trackyard-batch dead-letters retry --status 500',
    'trackyard-batch dead-letters discard --batch night --code invalid_parameters',
  )
  command.addHelpText(
    'after',
    '\nExit codes: 0 done, 4 refused (no filter and no --all) or declined, 5 interrupted after a retry.',
  )
}

/** Filters for dead letters; all that are given must match. */
interface LetterOptions {
  readonly status?: number
  readonly batch?: string
  readonly code?: string
  readonly discarded?: boolean
  readonly all?: boolean
  readonly yes?: boolean
}

/** How many batches are looked at for invalid rows. */
const LOOKED_AT = 20
const VERBS = ['list', 'show', 'retry', 'discard']
const HOW_TO_NARROW = 'Narrow it with --status, --code, --batch or a search, or pass --all.'

/** @param words after `list`: empty, or a mistyped subcommand */
async function listAll(cli: Cli, options: LetterOptions, words: readonly string[]): Promise<ExitCode> {
  const [word] = words
  if (word !== undefined) {
    const near = didYouMean(word, VERBS)
    const guess = near === null ? '' : ` Did you mean ${near}?`
    throw new UsageError(`Expected one of ${VERBS.join(', ')}, found "${word}".${guess}`)
  }
  return withSession(cli, async (session) => {
    const discarded = options.discarded === true
    const filter = await deadFilterOf(session, options)
    const letters: DeadLetterEntry[] = []
    for await (const letter of listDeadLetters(session.store, { ...filter, discarded })) letters.push(letter)
    const isFiltered = Object.keys(filter).length > 0
    const withInvalid = isFiltered || discarded ? null : await latestWithInvalid(session)
    cli.result('dead_letters', { dead_letters: letters.map(deadLetterJson) })
    cli.print(
      renderDeadLetters(
        letters.map(({ letter }) => letter),
        { discarded, isFiltered, withInvalid },
        cli.paint,
      ),
    )
    return 0
  })
}

/** An invalid row is no dead letter, but whoever misses a row looks for it here. */
async function latestWithInvalid({ store }: Session): Promise<BatchReport | null> {
  const batches = await store.reports.batches({ limit: LOOKED_AT })
  const latestFirst = batches.toSorted((a, b) => b.batch.id - a.batch.id)
  return latestFirst.find(({ batch }) => batch.invalid > 0) ?? null
}

async function showOne(cli: Cli, search: string): Promise<ExitCode> {
  return withSession(cli, async ({ store }) => {
    const {
      letters: [found],
    } = await store.deadLetters.list({ search }, null, 1)
    if (found === undefined) {
      throw new UsageError(
        `No dead letter begins with "${search}". List them with \`trackyard-batch dead-letters\`, or find any search with \`trackyard-batch show\`.`,
        { code: 'no_such_dead_letter' },
      )
    }
    cli.result('dead_letter', { dead_letter: deadLetterJson(found) })
    cli.print(renderDeadLetter(found.letter))
    return 0
  })
}

async function retryAll(cli: Cli, search: string | undefined, options: LetterOptions): Promise<ExitCode> {
  return withSession(cli, async (session) => {
    const { store } = session
    const filter = await deadFilterOf(session, { ...options, search })
    refuseEmptyFilter(filter, options.all === true, 'retry', HOW_TO_NARROW)
    const retried = await changeConfirmed(cli, options, {
      question: 'Retry?',
      look: async () => {
        const price = await store.deadLetters.price(filter)
        const { searches, maybePaid } = price
        const facts = `Retrying ${pluralize(searches, 'dead letter')} may cost up to ${pluralize(searches, 'credit')}${again(maybePaid)}.`
        return { price, facts }
      },
      change: (confirmed) => sendBack(cli, session, () => store.deadLetters.retry(filter, confirmed)),
    })
    if (retried === null) printRetried(cli, NOTHING_RETRIED)
    return 0
  })
}

/** Prints the result, then feeds Redis. Null: `retry` changed nothing. */
async function sendBack(cli: Cli, session: Session, retry: () => Promise<Retried | null>): Promise<Retried | null> {
  let sentBack: Retried | null = null
  return interruptible(
    cli,
    async (signal) => {
      const feeding = await openFeeding(session, signal)
      sentBack = await retry()
      if (sentBack === null) return null
      printRetried(cli, sentBack)
      if (sentBack.due > 0) await fillQueue(cli, feeding)
      return sentBack
    },
    () => {
      if (sentBack === null) return throwInterrupted()
      return throwInterruptedWhileFeeding(dueAgainText(sentBack.due), 'Stop them with `trackyard-batch pause`.')
    },
  )
}

function printRetried(cli: Cli, sentBack: Retried): void {
  const { retried, due, withheld, maybePaid } = sentBack
  cli.result('retry', { retried, due, withheld, credits_needed: retried, maybe_paid: maybePaid })
  cli.print(retried === 0 ? `${NONE_MATCHES} Nothing was changed.` : renderRetried(sentBack))
}

async function discardAll(cli: Cli, search: string | undefined, options: LetterOptions): Promise<ExitCode> {
  return withSession(cli, async (session) => {
    const { deadLetters } = session.store
    const filter = await deadFilterOf(session, { ...options, search })
    refuseEmptyFilter(filter, options.all === true, 'discard', HOW_TO_NARROW)
    const discarded = await changeConfirmed(cli, options, {
      question: 'Discard?',
      look: async () => {
        const searches = await deadLetters.count({ ...filter, discarded: false })
        const facts = `Discarding ${pluralize(searches, 'dead letter')} takes them off the list; their rows stay dead in the export.`
        return { price: { searches, maybePaid: 0 }, facts }
      },
      change: (confirmed) => deadLetters.discard(filter, confirmed?.searches),
    })
    cli.result('discard', { discarded: discarded ?? 0 })
    cli.print(
      discarded === null ? `${NONE_MATCHES} Nothing was changed.` : `${pluralize(discarded, 'dead letter')} discarded.`,
    )
    return 0
  })
}

/**
 * Asks about what matches now, and again if there is more of it after the answer. With --yes, changes all without a question.
 * @returns null if nothing matches
 * @throws RefusedError after a no, or without a terminal and without --yes
 */
async function changeConfirmed<T>(
  cli: Cli,
  { yes }: LetterOptions,
  steps: {
    readonly question: string
    readonly look: () => Promise<{ readonly price: RetryPrice; readonly facts: string }>
    /** Null: it would be more than `confirmed`, so nothing was changed. */
    readonly change: (confirmed: RetryPrice | undefined) => Promise<T | null>
  },
): Promise<T | null> {
  for (;;) {
    const { price, facts } = await steps.look()
    if (price.searches === 0) return null
    if (yes !== true) await confirm(cli, facts, steps.question)
    const changed = await steps.change(yes === true ? undefined : price)
    if (changed !== null) return changed
    cli.say('More match now than you confirmed, so nothing was changed.')
  }
}

async function confirm(cli: Cli, facts: string, question: string): Promise<void> {
  const refusal = `${facts} Cannot ask here: no terminal. Pass --yes to confirm. Nothing was changed.`
  const ask = (signal: AbortSignal) => askToConfirm(cli, `${facts} ${question}`, { refusal, signal })
  if (await interruptible(cli, ask, throwInterrupted)) return
  throw new RefusedError('Not confirmed: nothing was changed.', { code: 'declined' })
}

function again(maybePaid: number): string {
  if (maybePaid === 0) return ''
  return `; ${formatNumber(maybePaid)} of them may be paid for already and would be bought again`
}

function deadLetterJson({
  letter: { items, ...letter },
  rows,
}: DeadLetterEntry): DocumentBody<'dead_letter'>['dead_letter'] {
  return {
    ...letter,
    rows: items,
    found_in: rows.map(({ batchId, position, key }) => ({ batch: batchId, position, id: key })),
  }
}
