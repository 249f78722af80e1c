import { setTimeout as sleep } from 'node:timers/promises'
import type { BatchReport, Store } from '../store/store.js'

/** How a wait ended: `done` (dead letters included), `withheld` (only capped rows remain), `dropped` (before its release), `time is up`. */
export type Waited = 'done' | 'withheld' | 'dropped' | 'time is up'

const LOOK_EVERY_MS = 500
/** However short the time, the first look may tell why nothing moves. */
const FIRST_LOOK_MS = 10_000

/** What a timer can run at most. */
const LONGEST_TIMER_MS = 2 ** 31 - 1

/**
 * Waits for a batch's last verdict. The record alone decides: a look that does not end (Redis is away) holds up neither the
 * time nor the signal.
 * @param parts `monotonicMs`: what the time is measured with
 * @param timeoutMs null: as long as it takes
 * @param onLook called with each look at the batch
 * @throws the signal's reason, when it is aborted
 */
export async function waitFor(
  parts: { readonly store: Pick<Store, 'reports'>; readonly monotonicMs: () => number },
  batchId: number,
  options: {
    readonly timeoutMs: number | null
    readonly signal?: AbortSignal
    readonly onLook?: (report: BatchReport) => Promise<void> | void
  },
): Promise<Waited> {
  const { timeoutMs, signal = new AbortController().signal } = options
  const deadline = timeoutMs === null ? Number.POSITIVE_INFINITY : parts.monotonicMs() + timeoutMs
  const left = (): number => deadline - parts.monotonicMs()
  let atLeast = FIRST_LOOK_MS
  for (;;) {
    const [report] = await parts.store.reports.batches({ batchId, limit: 1 })
    if (report === undefined) return 'dropped'
    await atMost(Math.max(left(), atLeast), Promise.resolve(options.onLook?.(report)), signal)
    atLeast = 0
    const decision = standing(report)
    if (decision !== null) return decision
    if (left() <= 0) return 'time is up'
    await sleep(Math.min(left(), LOOK_EVERY_MS), undefined, { signal })
  }
}

/** Until the work has ended or the time is up, whichever comes first; rejects when the signal is aborted. */
async function atMost(ms: number, work: Promise<void>, signal: AbortSignal): Promise<void> {
  const ended = new AbortController()
  const alarm = { signal: AbortSignal.any([signal, ended.signal]) }
  try {
    await Promise.race([work, sleep(Math.min(ms, LONGEST_TIMER_MS), undefined, alarm)])
  } finally {
    ended.abort()
  }
}

function standing(report: BatchReport): Waited | null {
  if (report.batch.state === 'loading' || report.waiting > 0) return null
  return report.withheld > 0 ? 'withheld' : 'done'
}
