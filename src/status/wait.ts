import { setTimeout as sleep } from 'node:timers/promises'
import type { BatchReport, Store } from '../store/store.js'

/** How a wait ended: `done` (dead letters included), `withheld` (only capped rows remain), `time is up`. */
export type Waited = 'done' | 'withheld' | 'time is up'

const LOOK_EVERY_MS = 500

/**
 * Waits for a batch's last verdict.
 * @param timeoutMs null: as long as it takes
 * @param onLook called with each look at the batch
 * @throws the signal's reason, when it is aborted
 */
export async function waitFor(
  parts: { readonly store: Pick<Store, 'reports'>; readonly now: () => number },
  batchId: number,
  options: {
    readonly timeoutMs: number | null
    readonly signal?: AbortSignal
    readonly onLook?: (report: BatchReport) => Promise<void> | void
  },
): Promise<Waited> {
  const deadline = options.timeoutMs === null ? Number.POSITIVE_INFINITY : parts.now() + options.timeoutMs
  for (;;) {
    const [report] = await parts.store.reports.batches({ batchId, limit: 1 })
    if (report === undefined) return 'done'
    await options.onLook?.(report)
    const verdict = standing(report)
    if (verdict !== null) return verdict
    const left = deadline - parts.now()
    if (left <= 0) return 'time is up'
    await sleep(
      Math.min(left, LOOK_EVERY_MS),
      undefined,
      options.signal === undefined ? {} : { signal: options.signal },
    )
  }
}

function standing(report: BatchReport): Waited | null {
  if (report.batch.state === 'loading' || report.waiting > 0) return null
  return report.withheld > 0 ? 'withheld' : 'done'
}
