import type { Command } from 'commander'
import { lookNow, type Session } from '../../app/session.js'
import { dropAbandoned } from '../../batches/abandoned.js'
import { findBatch } from '../../batches/find-batch.js'
import { type Waited, waitFor } from '../../batches/wait.js'
import { systemClock } from '../../domain/clock.js'
import type { ExitCode } from '../../domain/errors.js'
import type { BatchReport } from '../../store/store.js'
import type { Act, Cli } from '../lib/cli.js'
import { interruptible } from '../lib/interrupt.js'
import { examples, wholeNumber } from '../lib/parse.js'
import { openWaitView } from '../lib/progress.js'
import { withSession } from '../lib/session.js'
import { batchSentence } from '../render/status.js'
import { writeReport } from './report.js'

export function define(command: Command, act: Act): void {
  command
    .description('Waits until a batch is done and shows its progress: a bar on a terminal, plain lines elsewhere.')
    .argument('[batch]', 'id or name (default: the latest)')
    .option('--timeout <seconds>', 'stop waiting after this time; the work continues', wholeNumber(0))
    .option('--report', 'write the morning report when it has ended; see `report`')
    .action((name: string | undefined, options: { readonly timeout?: number; readonly report?: boolean }) =>
      act(async (cli) => {
        return withSession(cli, async (session) => {
          const batch = await findBatch(session, name ?? null)
          const timeoutMs = options.timeout === undefined ? null : options.timeout * 1000
          const code = await waitForBatch(cli, session, { batchId: batch.id, timeoutMs })
          // Also of a batch with withheld rows: it has ended for now.
          if (options.report === true && (code === 0 || code === 4)) await writeReport(cli, session, batch.id)
          return code
        })
      }),
    )
  examples(command, 'trackyard-batch wait night --timeout 28800 && trackyard-batch export night')
  command.addHelpText(
    'after',
    '\nExit codes: 0 done (dead letters included), 1 dropped before its release, 4 only withheld rows\nremain, 5 timed out or interrupted.',
  )
}

/**
 * Waits for a batch and shows its progress. Exit codes: 0 done, 1 dropped before its release, 4
 * only withheld rows remain, 5 timed out or interrupted.
 */
export async function waitForBatch(
  cli: Cli,
  session: Session,
  which: { readonly batchId: number; readonly timeoutMs: number | null },
): Promise<ExitCode> {
  const view = await openWaitView(cli)
  let last: BatchReport | null = null
  let isOver = false
  const waited = await interruptible<Waited | 'interrupted'>(
    cli,
    (signal) =>
      waitFor({ store: session.store, monotonicMs: systemClock.monotonicMs }, which.batchId, {
        timeoutMs: which.timeoutMs,
        signal,
        onLook: async (report) => {
          last = report
          if (report.batch.state === 'loading') await dropAbandoned(session)
          if (!view.isDue()) return
          const seen = await lookNow(session, { limit: 1 })
          if (!isOver) view.show(report, seen)
        },
      }),
    () => 'interrupted',
  ).finally(() => {
    isOver = true
    view.end()
  })
  return printResult(cli, waited, last)
}

function printResult(cli: Cli, waited: Waited | 'interrupted', last: BatchReport | null): ExitCode {
  const state = last === null ? '' : `${batchSentence(last)} `
  const batch = last === null ? '' : ` ${last.batch.id}`
  switch (waited) {
    case 'done':
      cli.say(`${state}Next: trackyard-batch export${batch}`)
      return 0
    case 'withheld':
      cli.say(
        `${state}The remaining rows are withheld by a cap. Release them with \`trackyard-batch release${batch}\`.`,
      )
      return 4
    case 'dropped':
      cli.say(`Batch${batch} was dropped because its submit ended before the release. Nothing was spent.`)
      return 1
    case 'time is up':
      cli.say(`Timed out. ${state}The work continues. Wait again with \`trackyard-batch wait${batch}\`.`)
      return 5
    case 'interrupted':
      cli.say(`Interrupted. ${state}The work continues. Wait again with \`trackyard-batch wait${batch}\`.`)
      return 5
    default:
      return waited satisfies never
  }
}
