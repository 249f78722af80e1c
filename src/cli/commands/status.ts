import { setTimeout as sleep } from 'node:timers/promises'
import type { Command } from 'commander'
import { readStatus, type Session, type StatusSnapshot } from '../../app/session.js'
import { findBatch } from '../../batches/find-batch.js'
import type { StatusReport } from '../../batches/status-report.js'
import { whileStoreIsAway } from '../../batches/wait.js'
import { orAborted } from '../../domain/abortable.js'
import { type ExitCode, UsageError } from '../../domain/errors.js'
import { formatDateTime, formatTable, pluralize, truncate } from '../../domain/format.js'
import { type Act, type Cli, isStreamClosed, isTerminal } from '../lib/cli.js'
import { fitToScreen } from '../lib/fit-to-screen.js'
import { interruptible } from '../lib/interrupt.js'
import { addExamples } from '../lib/parse.js'
import { withExistingStore, withSession } from '../lib/session.js'
import { renderStatus, statusLine } from '../render/status-text.js'

interface StatusOptions {
  readonly watch?: boolean
  readonly unknown?: boolean
  readonly seen?: boolean
}

export function define(command: Command, act: Act): void {
  command
    .description(
      'Shows what is done, what is due and what it cost. The first line explains the current state: running, rate limited, paused or idle.',
    )
    .argument('[batch]', 'id or name (default: 20, unfinished first, then the last to finish)')
    .option('-w, --watch', 'refresh every second until Ctrl-C')
    .option('--unknown', 'list every call of unknown outcome instead')
    .option('--seen', 'with --unknown: leave them out of `status` from now on')
    .option('--json', 'print one JSON document on stdout; with --watch one a line, at each change')
    .action((batch: string | undefined, options: StatusOptions) =>
      act(async (cli): Promise<ExitCode> => {
        if (options.unknown === true) {
          if (options.watch === true || batch !== undefined) {
            throw new UsageError('--unknown lists the calls of all batches, once. Remove the batch and --watch.')
          }
          return listUnknownOutcomes(cli, options.seen === true)
        }
        if (options.seen === true) throw new UsageError('--seen belongs to --unknown. Add it.')
        return showStatus(cli, batch ?? null, options.watch === true)
      }),
    )
  addExamples(
    command,
    'trackyard-batch status',
    'trackyard-batch status night --watch',
    'trackyard-batch status --json | jq .queue.reason',
    'trackyard-batch status --unknown',
  )
}

const WATCH_MS = 1000
const PLAIN_MS = 10_000
const UNKNOWN_SHOWN = 5
const BATCHES_SHOWN = 20

/** Exit codes: 0, or 3 if Redis is unreachable; the report then comes from the store alone. */
async function showStatus(cli: Cli, name: string | null, watch: boolean): Promise<ExitCode> {
  const open = name === null ? withSession : withExistingStore
  return open(cli, async (session) => {
    const which = name === null ? { limit: BATCHES_SHOWN } : { batchId: (await findBatch(session, name)).id, limit: 1 }
    const text = (report: StatusReport) =>
      human(cli, session, report, name === null ? report.finish_at : (report.batches[0]?.finish_at ?? null))
    cli.detail(`data directory: ${session.settings.dataDir}`)
    if (watch) {
      await interruptible(
        cli,
        (signal) => {
          const waitForStore = <T>(read: () => Promise<T>) => whileStoreIsAway(session.store, read, { signal })
          const readOnce = () => waitForStore(() => readStatus(session, which))
          return isTerminal(cli.io.stdout) && !cli.json
            ? redraw(cli, (report) => waitForStore(() => text(report)), readOnce, signal)
            : writeLines(cli, readOnce, signal)
        },
        () => {},
      )
      return 0
    }
    const { report, redisProblem } = await readStatus(session, which)
    cli.result('status', report)
    if (redisProblem !== null && cli.json) throw redisProblem
    cli.print(await text(report))
    return redisProblem?.exitCode ?? 0
  })
}

async function human(cli: Cli, session: Session, report: StatusReport, finishAt: string | null): Promise<string> {
  const unseen = report.credits.unknown_unseen
  const unknown = unseen === 0 ? null : await session.store.reports.unknownSearches(unseen, UNKNOWN_SHOWN)
  const moreBatches =
    report.batches.length < BATCHES_SHOWN ? 0 : (await session.store.reports.batchCount()) - report.batches.length
  return renderStatus({ report, finishAt, unknown, moreBatches, now: session.now() }, cli.paint)
}

/** Redraws line by line in place, so that nothing flickers. Shows the cursor again at the end. */
async function redraw(
  cli: Cli,
  human: (report: StatusReport) => Promise<string>,
  look: () => Promise<StatusSnapshot>,
  signal: AbortSignal,
): Promise<void> {
  const { stdout } = cli.io
  stdout.write('\u001B[2J\u001B[?25l')
  try {
    for (;;) {
      const { report } = await orAborted(look(), signal)
      const text = fitToScreen(await human(report), stdout)
      stdout.write(`\u001B[H${text.replaceAll('\n', '\u001B[K\n')}\u001B[K\n\u001B[J`)
      await sleep(WATCH_MS, undefined, { signal })
      if (isStreamClosed(stdout)) return
    }
  } finally {
    stdout.write('\u001B[?25h')
  }
}

/** Prints a line when the state changes (with --json, when anything does), and every 10 s. */
async function writeLines(cli: Cli, look: () => Promise<StatusSnapshot>, signal: AbortSignal): Promise<void> {
  let lastState = ''
  let nextAt = 0
  for (;;) {
    const { report, redisProblem } = await orAborted(look(), signal)
    const state = cli.json
      ? JSON.stringify(report)
      : (redisProblem?.message ?? [report.queue.state, ...report.queue.causes].join())
    if (state !== lastState || performance.now() >= nextAt) {
      cli.emit('status', report)
      cli.print(`${new Date().toISOString()} ${statusLine(report)}`)
      nextAt = performance.now() + PLAIN_MS
    }
    lastState = state
    await sleep(WATCH_MS, undefined, { signal })
    if (isStreamClosed(cli.io.stdout)) return
  }
}

/**
 * Lists every call of unknown outcome, newest first: each may have cost a credit without an answer.
 */
async function listUnknownOutcomes(cli: Cli, isSeen: boolean): Promise<ExitCode> {
  return withSession(cli, async ({ store }) => {
    const all = await store.reports.unknownOutcomes(Number.MAX_SAFE_INTEGER)
    const calls = all.map(({ call, search, query }) => ({
      search,
      query,
      attempt: call.attempt,
      sent_at: new Date(call.sentAt).toISOString(),
      detail: call.detail,
    }))
    cli.result('unknown_outcomes', { calls })
    const rows = all.map(({ call, search, query }) => [
      formatDateTime(call.sentAt),
      search.slice(0, 12),
      call.detail ?? 'the worker died before it saved the answer',
      truncate(query, 60),
    ])
    if (rows.length === 0) {
      cli.print('No call of unknown outcome.')
      return 0
    }
    cli.print(`${pluralize(all.length, 'call')} of unknown outcome; each may have cost a credit`)
    cli.print(formatTable([['sent', 'search', 'what happened', 'query'], ...rows]))
    if (isSeen) await store.calls.seeUnknown(all.length)
    return 0
  })
}
