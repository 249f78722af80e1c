import { findBatch } from '../../batches/find-batch.js'
import { type Price, priceOf, refuseEmptyFilter } from '../../batches/retry.js'
import type { DeadLetter } from '../../domain/dead-letter.js'
import { didYouMean } from '../../domain/did-you-mean.js'
import { type ExitCode, RefusedError, UsageError } from '../../domain/errors.js'
import type { DeadFilter, LetterCursor, Retried, Store } from '../../store/store.js'
import { askYesNo, canAsk } from '../ask.js'
import type { Cli } from '../cli.js'
import { leftToWorkers, openFeeding } from '../feeding.js'
import { interruptible } from '../interrupt.js'
import { dueAgain, NONE_MATCHES, renderLetter, renderLetters, renderRetried } from '../render/dead-letters.js'
import { formatNumber, pluralize } from '../render/words.js'
import { type Session, withSession } from '../session.js'

/** Filters for dead letters; all that are given must match. */
export interface LetterOptions {
  readonly status?: number
  readonly batch?: string
  readonly code?: string
  readonly discarded?: boolean
  readonly all?: boolean
  readonly yes?: boolean
  readonly json?: boolean
}

const PAGE = 500
const VERBS = ['list', 'show', 'retry', 'discard']

/** @param words after `list`: empty, or a mistyped subcommand */
export async function list(cli: Cli, options: LetterOptions, words: readonly string[]): Promise<ExitCode> {
  const [word] = words
  if (word !== undefined) {
    const near = didYouMean(word, VERBS)
    const guess = near === null ? '' : ` Did you mean ${near}?`
    throw new UsageError(`Expected one of ${VERBS.join(', ')}, found "${word}".${guess}`)
  }
  return withSession(cli, async (session) => {
    const discarded = options.discarded === true
    const filter = await filterOf(session, options, undefined)
    const letters = await allLetters(session.store, { ...filter, discarded })
    const isFiltered = Object.keys(filter).length > 0
    if (options.json === true) cli.printJson(letters)
    else cli.print(renderLetters(letters, { discarded, isFiltered }, cli.paint))
    return 0
  })
}

export async function show(cli: Cli, search: string, options: LetterOptions): Promise<ExitCode> {
  return withSession(cli, async ({ store }) => {
    const {
      letters: [found],
    } = await store.deadLetters.list({ search }, null, 1)
    if (found === undefined) {
      throw new UsageError(
        `No dead letter begins with "${search}". List them with \`trackyard-batch dead-letters\`, or find any search with \`trackyard-batch show\`.`,
      )
    }
    if (options.json === true) cli.printJson(found.letter)
    else cli.print(renderLetter(found.letter))
    return 0
  })
}

export async function retry(cli: Cli, search: string | undefined, options: LetterOptions): Promise<ExitCode> {
  return withSession(cli, async (session) => {
    const filter = await filterOf(session, options, search)
    refuseEmptyFilter(filter, options.all === true, 'retry')
    const price = await priceOf(session.store, filter)
    const facts = `Retrying ${pluralize(price.searches, 'dead letter')} may cost up to ${pluralize(price.credits, 'credit')}${again(price)}.`
    if (price.searches > 0 && !(await isConfirmed(cli, facts, 'Retry?', options))) return declined(cli)
    if (price.searches === 0) return printRetried(cli, { retried: 0, due: 0, withheld: 0 }, price, options)
    let sentBack: Retried | null = null
    return interruptible<ExitCode>(
      cli,
      async (signal) => {
        const feeding = await openFeeding(cli, session, signal)
        sentBack = await session.store.deadLetters.retryAll(filter)
        printRetried(cli, sentBack, price, options)
        if (sentBack.due > 0) await feeding.fill()
        return 0
      },
      () =>
        sentBack === null
          ? declined(cli)
          : leftToWorkers(cli, dueAgain(sentBack.due), 'Stop them with `trackyard-batch pause`.'),
    )
  })
}

function printRetried(cli: Cli, sentBack: Retried, price: Price, { json }: LetterOptions): ExitCode {
  const { retried, due } = sentBack
  if (json === true) {
    cli.printJson({ retried, due, credits_needed: price.credits, maybe_paid_already: price.maybePaidAlready })
  } else {
    cli.print(retried === 0 ? `${NONE_MATCHES} Nothing was changed.` : renderRetried(sentBack))
  }
  return 0
}

export async function discard(cli: Cli, search: string | undefined, options: LetterOptions): Promise<ExitCode> {
  return withSession(cli, async (session) => {
    const filter = await filterOf(session, options, search)
    refuseEmptyFilter(filter, options.all === true, 'discard')
    const count = await session.store.deadLetters.count({ ...filter, discarded: false })
    const facts = `Discarding ${pluralize(count, 'dead letter')} takes them off the list; their rows stay dead in the export.`
    if (count > 0 && !(await isConfirmed(cli, facts, 'Discard?', options))) return declined(cli)
    const discarded = count === 0 ? 0 : await session.store.deadLetters.discardAll(filter)
    if (options.json === true) cli.printJson({ discarded })
    else
      cli.print(
        discarded === 0 ? `${NONE_MATCHES} Nothing was changed.` : `${pluralize(discarded, 'dead letter')} discarded.`,
      )
    return 0
  })
}

async function filterOf(session: Session, options: LetterOptions, search: string | undefined): Promise<DeadFilter> {
  const { status, code, batch } = options
  return {
    ...(status === undefined ? {} : { status }),
    ...(code === undefined ? {} : { code }),
    ...(search === undefined ? {} : { search }),
    ...(batch === undefined ? {} : { batchId: (await findBatch(session, batch)).id }),
  }
}

async function allLetters(store: Pick<Store, 'deadLetters'>, filter: DeadFilter): Promise<DeadLetter[]> {
  const letters: DeadLetter[] = []
  let after: LetterCursor | null = null
  do {
    const page: Awaited<ReturnType<Store['deadLetters']['list']>> = await store.deadLetters.list(filter, after, PAGE)
    for (const { letter } of page.letters) letters.push(letter)
    after = page.next
  } while (after !== null)
  return letters
}

function again({ maybePaidAlready }: Price): string {
  if (maybePaidAlready === 0) return ''
  return `; ${formatNumber(maybePaidAlready)} of them may be paid for already and would be bought again`
}

/** @throws RefusedError without a terminal and without --yes */
async function isConfirmed(cli: Cli, facts: string, question: string, options: LetterOptions): Promise<boolean> {
  if (options.yes === true) return true
  if (!canAsk(cli)) throw new RefusedError(`${facts} Not a terminal. Pass --yes to confirm. Nothing was changed.`)
  return interruptible(
    cli,
    (signal) => askYesNo(cli, `${facts} ${question}`, signal),
    () => false,
  )
}

function declined(cli: Cli): ExitCode {
  cli.say('Nothing was changed.')
  return 4
}
