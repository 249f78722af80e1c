import { type StatusSnapshot, workersOf } from '../../app/session.js'
import { unreleasedMessage } from '../../batches/abandoned.js'
import type { StatusReport } from '../../batches/status-report.js'
import { creditsLeft, formatNumber, formatTime, pluralize, truncate } from '../../domain/format.js'
import type { BatchReport } from '../../store/store.js'
import { type Cli, isTerminal } from './cli.js'

/** A progress line on stderr: redrawn in place on a terminal, a new line every 10 s elsewhere. */
export interface ProgressLine {
  show(text: string): void
  /** Removes the line from the terminal. */
  clear(): void
}

const REDRAW_MS = 100
const PLAIN_MS = 10_000

export function openProgressLine(cli: Cli): ProgressLine {
  const onTerminal = isTerminal(cli.io.stderr)
  let drawn = false
  let nextAt = onTerminal ? 0 : performance.now() + PLAIN_MS
  return {
    show(text) {
      if (performance.now() < nextAt) return
      nextAt = performance.now() + (onTerminal ? REDRAW_MS : PLAIN_MS)
      if (onTerminal) cli.io.stderr.write(`\r\u001B[K${text}`)
      else cli.say(text)
      drawn = true
    },
    clear() {
      if (onTerminal && drawn) cli.io.stderr.write('\r\u001B[K')
      drawn = false
    },
  }
}

/**
 * The progress of a batch on stderr: a bar and the status message on a terminal, plain lines
 * elsewhere.
 */
export interface WaitView {
  show(batch: BatchReport, look: StatusSnapshot): void
  end(): void
}

/** How often it is worth a new look: so that a pause is shown at once. */
export const SHOW_EVERY_MS = 1000

/** @param follow emit a document at each change instead */
export async function openWaitView(cli: Cli, follow = false): Promise<WaitView> {
  if (follow) return documents(cli)
  return isTerminal(cli.io.stderr) ? openBar(cli) : plainLines(cli)
}

function documents(cli: Cli): WaitView {
  let last = ''
  return {
    show(_batch, { report }) {
      const text = JSON.stringify(report)
      if (text !== last) cli.emit('status', report)
      last = text
    },
    end() {},
  }
}

/** When the state changes, and every 10 s. */
function plainLines(cli: Cli): WaitView {
  let nextLineAt = 0
  let lastState = ''
  return {
    show(batch, look) {
      const { report, redisProblem } = look
      const now = performance.now()
      const state = redisProblem?.message ?? [batch.batch.state, report.queue.state, ...report.queue.causes].join()
      if (now < nextLineAt && state === lastState) return
      nextLineAt = now + PLAIN_MS
      lastState = state
      cli.say(`${progress(batch)}; ${facts(report)}. ${reason(batch, look)}`)
    },
    end() {},
  }
}

async function openBar(cli: Cli): Promise<WaitView> {
  const { default: progressBars } = await import('cli-progress')
  const bars = new progressBars.MultiBar(
    {
      stream: cli.io.stderr,
      clearOnComplete: true,
      hideCursor: true,
      linewrap: false,
      fps: 4,
      // The command handles Ctrl-C itself.
      gracefulExit: false,
      format: '{text}',
      barsize: 30,
    },
    progressBars.Presets.shades_classic,
  )
  const done = bars.create(1, 0, { text: '' }, { format: '{bar} {percentage}%  {text}' })
  const message = bars.create(1, 0, { text: '' })
  return {
    show(batch, look) {
      done.setTotal(Math.max(1, batch.batch.items))
      done.update(settled(batch), { text: `${progress(batch)}; ${facts(look.report)}` })
      message.update(0, { text: truncate(reason(batch, look), Math.max(20, (cli.io.stderr.columns || 80) - 1)) })
    },
    end: () => bars.stop(),
  }
}

/** The queue's reason does not apply to a batch that is not released. */
function reason({ batch }: BatchReport, look: StatusSnapshot): string {
  return unreleasedMessage(batch, Date.now(), workersOf(look)) ?? look.report.queue.reason
}

function settled({ batch, waiting, withheld }: BatchReport): number {
  return batch.items - waiting - withheld
}

function progress(report: BatchReport): string {
  return `${formatNumber(settled(report))} of ${pluralize(report.batch.items, 'row')} done`
}

function facts(status: StatusReport): string {
  const parts = [`${pluralize(status.calls_per_minute.last, 'call')} a minute`, creditsLeft(status.credits.remaining)]
  const [batch] = status.batches
  if (batch?.finish_at) parts.push(`finish ${formatTime(Date.parse(batch.finish_at), Date.now())}`)
  return parts.join(', ')
}
