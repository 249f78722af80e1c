import { dropAbandoned } from '../../batches/abandoned.js'
import { type Waited, waitFor } from '../../batches/wait.js'
import { systemClock } from '../../domain/clock.js'
import type { ExitCode } from '../../domain/errors.js'
import type { BatchReport } from '../../store/store.js'
import type { Cli } from '../cli.js'
import { interruptible } from '../interrupt.js'
import { lookNow } from '../look.js'
import { batchSentence } from '../render/status.js'
import type { Session } from '../session.js'
import { openWaitView } from '../wait-view.js'

/** Waits for a batch and shows how far it is. Exit codes: 0 done, 1 dropped before its release, 4 only withheld rows remain, 5 time is up or interrupted. */
export async function waitForBatch(
  cli: Cli,
  session: Session,
  which: { readonly batchId: number; readonly timeoutMs: number | null },
): Promise<ExitCode> {
  const view = await openWaitView(cli)
  const look = lookNow(session)
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
          const seen = await look({ limit: 1 })
          if (!isOver) view.show(report, seen)
        },
      }),
    () => 'interrupted',
  ).finally(() => {
    isOver = true
    view.end()
  })
  return sayWaited(cli, waited, last)
}

function sayWaited(cli: Cli, waited: Waited | 'interrupted', last: BatchReport | null): ExitCode {
  const standing = last === null ? '' : `${batchSentence(last)} `
  const batch = last === null ? '' : ` ${last.batch.id}`
  switch (waited) {
    case 'done':
      cli.say(`${standing}Next: trackyard-batch export${batch}`)
      return 0
    case 'withheld':
      cli.say(`${standing}What remains is withheld by a cap: \`trackyard-batch release${batch}\` lets it go.`)
      return 4
    case 'dropped':
      cli.say(`Batch${batch} is gone: its submit ended before the release, and it was dropped. Nothing was spent.`)
      return 1
    case 'time is up':
      cli.say(`Time is up. ${standing}Nothing is lost by this; \`trackyard-batch wait${batch}\` waits on.`)
      return 5
    case 'interrupted':
      cli.say(`Interrupted. ${standing}Nothing is lost by this; \`trackyard-batch wait${batch}\` waits on.`)
      return 5
    default:
      return waited satisfies never
  }
}
