import type { Command } from 'commander'
import { openFeeding, type Session } from '../../app/session.js'
import { type Estimate, estimate } from '../../batches/estimate.js'
import { findBatch, reportOf } from '../../batches/find-batch.js'
import { keptCaps, priceOfRelease, type Release, releaseBatch } from '../../batches/release.js'
import { batchStatus } from '../../batches/status.js'
import { allowedPerMinute } from '../../control/rate-limit.js'
import { type ExitCode, RefusedError, UsageError } from '../../domain/errors.js'
import { formatNumber, formatTimeAndWait, pluralize } from '../../domain/format.js'
import type { Batch, BatchReport, Caps } from '../../store/store.js'
import type { DocumentBody } from '../documents.js'
import { confirmSpending } from '../lib/ask.js'
import type { Act, Cli } from '../lib/cli.js'
import { interruptible, throwInterrupted } from '../lib/interrupt.js'
import { addExamples, parseWholeNumber } from '../lib/parse.js'
import { fillQueue, throwInterruptedWhileFeeding } from '../lib/queue.js'
import { withExistingStore } from '../lib/session.js'
import { batchSentence } from '../render/status-text.js'

interface ReleaseOptions {
  readonly maxCredits?: number
  readonly all?: boolean
  readonly yes?: boolean
}

export function define(command: Command, act: Act): void {
  command
    .description(
      'Lets a batch continue after `submit --first`, raises its cap, or releases a scheduled batch now. Without an option, ' +
        'the cap of --max-credits stays, and a scheduled batch keeps its --first. ' +
        'Prints the cost first, and asks for confirmation above TRACKYARD_CONFIRM_ABOVE; without a terminal it needs --yes.',
    )
    .argument('<batch>', 'id or name')
    .option(
      '--max-credits <n>',
      'spend at most n credits on it in total, including those already used',
      parseWholeNumber(0),
    )
    .option('--all', 'remove every cap')
    .option('-y, --yes', 'do not ask, whatever the cost')
    .option('--json', 'print one JSON document on stdout')
    .action((name: string, options: ReleaseOptions) => act((cli) => release(cli, name, options)))
  addExamples(command, 'trackyard-batch release night', 'trackyard-batch release night --max-credits 5000')
}

async function release(cli: Cli, name: string, options: ReleaseOptions): Promise<ExitCode> {
  return withExistingStore(cli, async (session) => {
    const batch = await findBatch(session, name)
    const wanted = { batch, ...newCaps(batch, options) }
    let isReleased = false
    return interruptible<ExitCode>(
      cli,
      async (signal) => {
        const price = await confirmedPrice(cli, session, wanted, { yes: options.yes === true, signal })
        const feeding = await openFeeding(session, signal)
        const before = await reportOf(session.store, batch.id)
        await releaseBatch(session, wanted)
        isReleased = true
        const report = await reportOf(session.store, batch.id)
        if (report !== null && before?.batch.state === 'released') {
          if (before.withheld === 0) cli.print('Nothing was withheld, so nothing more is released.')
          else if (report.withheld >= before.withheld) cli.print('This cap releases nothing more.')
        }
        if (report !== null) {
          cli.print(batchSentence(report))
          cli.result('release', releaseJson(report, price))
        }
        await fillQueue(cli, feeding)
        return 0
      },
      () =>
        isReleased
          ? throwInterruptedWhileFeeding(
              `batch ${batch.id} is released`,
              `Stop it with \`trackyard-batch cancel ${batch.id}\`.`,
            )
          : throwInterrupted(),
    )
  })
}

interface Price {
  readonly credits: number
  /** For the whole budget after the release. */
  readonly estimate: Estimate
}

function releaseJson(report: BatchReport, { credits, estimate }: Price): DocumentBody<'release'> {
  return {
    batch: batchStatus(report),
    credits,
    credits_remaining: estimate.creditsRemaining,
    credits_missing: estimate.creditsMissing,
    finish_at: new Date(estimate.finishAt).toISOString(),
  }
}

/**
 * Prints what it releases, and asks above the threshold. @throws RefusedError after a no, or if nobody can be asked; the
 * signal's reason when aborted
 */
async function confirmedPrice(
  cli: Cli,
  session: Session,
  wanted: Release,
  { yes, signal }: { readonly yes: boolean; readonly signal: AbortSignal },
): Promise<Price> {
  const { settings, store } = session
  const now = session.now()
  const { credits, plan } = await priceOfRelease(store, wanted)
  const { creditReserve, activeHours, confirmAbove } = settings
  const account = await store.account.get()
  const callsPerMinute = allowedPerMinute(account, settings.rateLimit)
  const price = {
    credits,
    estimate: estimate({
      ...{ plan, account, callsPerMinute, creditReserve, activeHours, now },
      cap: null,
      rateLimitedUntil: await store.pauses.rateLimitedUntil(now),
    }),
  }
  if (credits > 0) cli.say(renderRelease(price, now))
  const instead = 'release less with --max-credits. Nothing was changed.'
  const spending = { credits, confirmAbove, yes, mayAsk: true, instead, signal }
  if (await confirmSpending(cli, spending)) return price
  throw new RefusedError('Not released: nothing was changed.', { code: 'declined' })
}

/** @throws UsageError for both options; RefusedError if the current cap is used up and stays */
function newCaps(batch: Batch, { maxCredits, all }: ReleaseOptions): Caps {
  if (maxCredits !== undefined && all === true) {
    throw new UsageError('--max-credits sets a cap and --all removes it: use one of them.')
  }
  if (all === true) return { maxCredits: null, first: null }
  if (maxCredits !== undefined) return { maxCredits, first: null }
  return keptCaps(batch, 'Raise it with --max-credits N, or remove it with --all.')
}

/** What a release will make due, in one line, printed before it happens. */
function renderRelease(price: Price, now: number): string {
  const { creditsRemaining, creditsMissing, finishAt } = price.estimate
  const left = creditsRemaining === null ? 'balance unknown' : `${formatNumber(creditsRemaining)} left, last known`
  const short =
    creditsMissing === null || creditsMissing === 0
      ? ''
      : ` ${pluralize(creditsMissing, 'credit')} short: the queue pauses when credits run out.`
  return (
    `This releases ${pluralize(price.credits, 'search')}, for at most ${pluralize(price.credits, 'credit')} (${left}); ` +
    `all due searches finish at ${formatTimeAndWait(finishAt, now)}, if work starts now.${short}`
  )
}
