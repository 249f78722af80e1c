import { setTimeout as sleep } from 'node:timers/promises'
import { findBatch } from '../../batches/find-batch.js'
import type { StatusReport } from '../../batches/status-report.js'
import type { ExitCode } from '../../domain/errors.js'
import type { Cli } from '../cli.js'
import { interruptible, orAborted } from '../interrupt.js'
import { isClosed, isTerminal } from '../io.js'
import { type Look, lookNow } from '../look.js'
import { renderStatus, statusLine } from '../render/status.js'
import { type Session, withSession } from '../session.js'

const WATCH_MS = 1000
const PLAIN_MS = 10_000
/** Enough for two hard kills with every slot in flight, at the default concurrency. */
const UNKNOWN_SHOWN = 20
const BATCHES_SHOWN = 20

/** Exit codes: 0, or 3 if Redis is unreachable; the report then comes from the store alone. */
export async function showStatus(cli: Cli, name: string | null, watch: boolean, json: boolean): Promise<ExitCode> {
  return withSession(cli, async (session) => {
    const which =
      name === null ? { limit: BATCHES_SHOWN } : { batchId: (await findBatch(session, name)).id, limit: BATCHES_SHOWN }
    const look = lookNow(session)
    if (!json) cli.detail(`data directory: ${session.settings.dataDir}`)
    if (watch) {
      const takeLook = () => look(which)
      await interruptible(
        cli,
        (signal) => (isTerminal(cli.io.stdout) ? redraw : writeLines)(cli, session, takeLook, signal),
        () => {},
      )
      return 0
    }
    const { report, trouble } = await look(which)
    if (json) cli.printJson(report)
    else cli.print(await human(cli, session, report))
    if (trouble !== null && json) cli.say(trouble.message)
    return trouble?.exitCode ?? 0
  })
}

async function human(cli: Cli, session: Session, report: StatusReport): Promise<string> {
  const unknown =
    report.credits.unknown_outcomes === 0 ? [] : await session.store.reports.unknownOutcomes(UNKNOWN_SHOWN)
  const view = {
    report,
    unknown: unknown.map(({ call, search, query }) => ({ search, query, sentAt: call.sentAt })),
    now: session.now(),
  }
  return renderStatus(view, cli.paint)
}

/** Redraws line by line in place, so that nothing flickers. Shows the cursor again at the end. */
async function redraw(cli: Cli, session: Session, look: () => Promise<Look>, signal: AbortSignal): Promise<void> {
  const { stdout } = cli.io
  stdout.write('\u001B[2J\u001B[?25l')
  try {
    for (;;) {
      const { report } = await orAborted(look(), signal)
      const text = await human(cli, session, report)
      stdout.write(`\u001B[H${text.replaceAll('\n', '\u001B[K\n')}\u001B[K\n\u001B[J`)
      await sleep(WATCH_MS, undefined, { signal })
      if (isClosed(stdout)) return
    }
  } finally {
    stdout.write('\u001B[?25h')
  }
}

/** Prints a line when the state changes, and every 10 s. */
async function writeLines(cli: Cli, _session: Session, look: () => Promise<Look>, signal: AbortSignal): Promise<void> {
  let lastState = ''
  let nextAt = 0
  for (;;) {
    const { report, trouble } = await orAborted(look(), signal)
    const state = trouble?.message ?? [report.queue.state, ...report.queue.causes].join()
    if (state !== lastState || performance.now() >= nextAt) {
      cli.print(`${new Date().toISOString()} ${statusLine(report)}`)
      nextAt = performance.now() + PLAIN_MS
    }
    lastState = state
    await sleep(WATCH_MS, undefined, { signal })
    if (isClosed(cli.io.stdout)) return
  }
}
