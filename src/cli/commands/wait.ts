import type { Command } from 'commander'
import { readStatus, type Session, type StatusSnapshot, workersOf } from '../../app/session.js'
import { dropAbandoned, unreleasedMessage } from '../../batches/abandoned.js'
import { findBatch } from '../../batches/find-batch.js'
import { batchStatus } from '../../batches/status.js'
import { reportNowOr, type Waited, waitFor } from '../../batches/wait.js'
import { systemClock } from '../../domain/clock.js'
import {
  EndedEarlyError,
  type ExitCode,
  NotFinishedError,
  RefusedError,
  type ReportedError,
  RowsWithoutAnswerError,
  UsageError,
} from '../../domain/errors.js'
import { formatNumber, pluralize } from '../../domain/format.js'
import { releaseCommand } from '../../store/batch-row.js'
import type { BatchReport } from '../../store/store.js'
import type { DocumentBody } from '../documents.js'
import type { Act, Cli } from '../lib/cli.js'
import { interruptible } from '../lib/interrupt.js'
import { addExamples, parsePercentage, parseWholeNumber } from '../lib/parse.js'
import { openWaitView, SHOW_EVERY_MS } from '../lib/progress.js'
import { withExistingStore } from '../lib/session.js'
import { batchSentence } from '../render/status-text.js'
import { writeReport } from './report.js'

interface Options {
  readonly timeout?: number
  readonly allowFailures?: AllowedFailures
  readonly follow?: boolean
  readonly report?: boolean
}

/** True: any number of rows. A number: this share of them. */
export type AllowedFailures = true | number

export function define(command: Command, act: Act): void {
  command
    .description(
      'Waits until a batch is done and shows its progress: a bar on a terminal, plain lines elsewhere. ' +
        'Succeeds only if every row has an answer, so `wait && export` never passes on less than you expect.',
    )
    .argument('[batch]', 'id or name (default: the latest)')
    .option('--timeout <seconds>', 'stop waiting after this time; changes nothing else', parseWholeNumber(0))
    .option('--allow-failures [percentage]', ALLOW_FAILURES, parsePercentage)
    .option('--report', 'write the morning report when it has ended; see `report`')
    .option('--follow', 'with --json: one document a line, at each change, before the last one')
    .option('--json', 'print one JSON document on stdout')
    .action((name: string | undefined, options: Options) => act((cli) => wait(cli, name ?? null, options)))
  addExamples(
    command,
    'trackyard-batch wait night --timeout 28800 && trackyard-batch export night',
    'trackyard-batch wait night --allow-failures 2% && trackyard-batch export night',
  )
  command.addHelpText(
    'after',
    '\nExit codes: 0 every row is tagged or has no match, 1 dropped before its release, 4 only withheld rows\n' +
      'remain, 5 timed out or interrupted, 6 done, but rows are dead, invalid or cancelled.',
  )
}

export const ALLOW_FAILURES =
  'succeed although rows are dead, invalid or cancelled; with a percentage, if at most that share of all rows is'

async function wait(cli: Cli, name: string | null, options: Options): Promise<ExitCode> {
  const { timeout, follow = false } = options
  if (follow && !cli.json) throw new UsageError('--follow is for --json. On a terminal, `wait` shows progress anyway.')
  return withExistingStore(cli, async (session) => {
    const batch = await findBatch(session, name)
    const { body, error } = await waitForBatch(cli, session, {
      batchId: batch.id,
      timeoutMs: timeout === undefined ? null : timeout * 1000,
      allowFailures: options.allowFailures ?? 0,
      follow,
    })
    cli.result('wait', body)
    // Also of a batch with withheld rows: it has ended for now.
    const hasEnded = ['done', 'rows_without_answer', 'rows_withheld'].includes(body.outcome)
    if (options.report === true && hasEnded) await writeReport(cli, session, batch.id)
    if (error !== null) throw error
    return 0
  })
}

export interface WaitEnd {
  readonly body: DocumentBody<'wait'>
  /** Null: every row has an answer, or the others are allowed. */
  readonly error: ReportedError | null
}

/** Waits for a batch and shows its progress. */
export async function waitForBatch(
  cli: Cli,
  session: Session,
  which: {
    readonly batchId: number
    readonly timeoutMs: number | null
    readonly allowFailures: AllowedFailures
    readonly follow: boolean
  },
): Promise<WaitEnd> {
  const { batchId, timeoutMs, follow } = which
  const view = await openWaitView(cli, follow)
  let last: BatchReport | null = null
  const looks: { latest: StatusSnapshot | null } = { latest: null }
  let nextLookAt = 0
  let isOver = false
  const waited = await interruptible<Waited | 'interrupted'>(
    cli,
    (signal) =>
      waitFor({ store: session.store, monotonicMs: systemClock.monotonicMs }, batchId, {
        timeoutMs,
        signal,
        onLook: async (report) => {
          last = report
          if (report.batch.state === 'loading') await dropAbandoned(session)
          if (performance.now() < nextLookAt) return
          const seen = await readStatus(session, { batchId, limit: 1, withheldAsWaiting: !follow })
          looks.latest = seen
          nextLookAt = performance.now() + SHOW_EVERY_MS
          if (!isOver) view.show(report, seen)
        },
      }),
    () => 'interrupted',
  ).finally(() => {
    isOver = true
    view.end()
  })
  // Earlier reports may count withheld rows as waiting.
  if (waited === 'time is up' || waited === 'interrupted') last = await reportNowOr(last, session.store, batchId)
  const error = errorOf(waited, last, {
    allowed: which.allowFailures,
    seconds: (timeoutMs ?? 0) / 1000,
    look: looks.latest,
    now: session.now(),
  })
  if (error === null) cli.say(`${sentence(last)}Next: trackyard-batch export${idOf(last)}`)
  return { body: { outcome: outcomeOf(error), progress: last === null ? null : batchStatus(last) }, error }
}

function outcomeOf(error: ReportedError | null): DocumentBody<'wait'>['outcome'] {
  switch (error?.code) {
    case undefined:
      return 'done'
    case 'rows_without_answer':
    case 'rows_withheld':
    case 'batch_dropped':
    case 'timed_out':
      return error.code
    default:
      return 'interrupted'
  }
}

const sentence = (report: BatchReport | null) => (report === null ? '' : `${batchSentence(report)} `)
const idOf = (report: BatchReport | null) => (report === null ? '' : ` ${report.batch.id}`)

function errorOf(
  waited: Waited | 'interrupted',
  last: BatchReport | null,
  about: {
    readonly allowed: AllowedFailures
    /** The timeout. */
    readonly seconds: number
    readonly look: StatusSnapshot | null
    readonly now: number
  },
): ReportedError | null {
  const batch = idOf(last)
  switch (waited) {
    case 'done':
      return last === null ? null : withoutAnswer(last, about.allowed)
    case 'withheld':
      return new RefusedError(`${sentence(last)}The remaining rows are withheld by a cap.`, {
        code: 'rows_withheld',
        hint: `Release them with \`${releaseCommand(last?.batch ?? null)}\`.`,
      })
    case 'dropped':
      return new EndedEarlyError(
        `Batch${batch} was dropped because its submit ended before the release. Nothing was spent.`,
        { code: 'batch_dropped', hint: 'Submit its catalog again.' },
      )
    case 'time is up':
    case 'interrupted': {
      const end = waited === 'interrupted' ? 'Interrupted' : `Stopped waiting after ${formatNumber(about.seconds)} s`
      return new NotFinishedError(`${end}; nothing was changed.${stateText(last, about)}`, {
        code: waited === 'interrupted' ? 'interrupted' : 'timed_out',
        hint: `Wait again with \`trackyard-batch wait${batch}\`.`,
      })
    }
    default:
      return waited satisfies never
  }
}

/** Where the batch is, and what moves it or does not. */
function stateText(
  last: BatchReport | null,
  { look, now }: { readonly look: StatusSnapshot | null; readonly now: number },
): string {
  if (last === null) return ''
  const unreleased = unreleasedMessage(last.batch, now, look === null ? null : workersOf(look))
  if (unreleased !== null) return ` ${unreleased}`
  const queue = look?.report.queue
  const why = queue === undefined ? '' : queue.state === 'running' ? ' The work continues.' : ` ${queue.reason}`
  return ` ${batchSentence(last)}${why}`
}

/** Null: every row has an answer, or as many have none as are allowed. */
function withoutAnswer(report: BatchReport, allowed: AllowedFailures): RowsWithoutAnswerError | null {
  const { batch, cancelled } = report
  const { dead, invalid, items } = batch
  const count = dead + invalid + cancelled
  if (count <= (allowed === true ? 1 : allowed) * items) return null
  const parts = Object.entries({ dead, invalid, cancelled }).filter(([, rows]) => rows > 0)
  const which = parts.map(([status, rows]) => `${formatNumber(rows)} ${status}`).join(', ')
  const have = count === 1 ? 'has' : 'have'
  return new RowsWithoutAnswerError(
    `${batchSentence(report)} ${pluralize(count, 'row')} ${have} no answer (${which}).`,
    {
      hint:
        `${dead > 0 ? 'See `trackyard-batch dead-letters`. ' : ''}` +
        `\`trackyard-batch export ${batch.id}\` names each row; --allow-failures accepts them.`,
    },
  )
}
