import { setTimeout as sleep } from 'node:timers/promises'
import { NEVER_ABORTED, orAborted } from '../domain/abortable.js'
import { UnreachableError } from '../domain/errors.js'
import type { BatchReport, Store } from '../store/store.js'
import { reportOf } from './find-batch.js'

/**
 * How a wait ended. `done`: every row has an outcome, dead letters included. `withheld`: only withheld rows remain.
 * `dropped`: the batch was dropped before its release. `time is up`: the timeout passed.
 */
export type Waited = 'done' | 'withheld' | 'dropped' | 'time is up'

export const LOOK_EVERY_MS = 500
/** A database that is restarted, or fails over, is back by then. */
const STORE_IS_BACK_WITHIN_MS = 120_000
const AGAIN_AFTER_MS = 1000
/** The first look may take this long even with a shorter timeout, so that it can explain the state. */
const FIRST_LOOK_MS = 10_000
/** A later look may take this long at the end: one that is on its way may find the batch done. */
const LAST_LOOK_MS = 1000

/** The longest delay of a Node timer. */
const LONGEST_TIMER_MS = 2 ** 31 - 1

/**
 * Waits for the last outcome of a batch. Only the store decides. A look or an `onLook` that hangs (the store or Redis is
 * away) delays neither the timeout nor the signal.
 * @param parts `monotonicMs`: the clock for the timeout
 * @param timeoutMs null: no timeout
 * @param onLook called with each report, `withheldAsWaiting` (see `WhichBatches`) unless the wait is `done` or `withheld`
 * @throws the signal's reason, when it is aborted
 */
export async function waitFor(
  parts: { readonly store: Pick<Store, 'reports' | 'writeFailure'>; readonly monotonicMs: () => number },
  batchId: number,
  options: {
    readonly timeoutMs: number | null
    readonly signal?: AbortSignal
    readonly onLook?: (report: BatchReport) => Promise<void> | void
  },
): Promise<Waited> {
  const { timeoutMs, signal = NEVER_ABORTED } = options
  const deadline = timeoutMs === null ? Number.POSITIVE_INFINITY : parts.monotonicMs() + timeoutMs
  const left = (): number => deadline - parts.monotonicMs()
  let isFirst = true
  const look = async (): Promise<BatchReport | null | typeof LATE> => {
    const lookMs = Math.max(left(), isFirst ? FIRST_LOOK_MS : LAST_LOOK_MS)
    const report = await atMost(lookMs, reportOf(parts.store, batchId, true), signal)
    if (report === null || report === LATE) return report
    const showMs = Math.max(left(), isFirst ? FIRST_LOOK_MS : 0)
    await atMost(showMs, Promise.resolve(options.onLook?.(report)), signal)
    return report
  }
  for (;;) {
    const report = await whileStoreIsAway(parts.store, look, { signal, patienceMs: left() }).catch(
      (error: unknown): typeof LATE => {
        if (error instanceof UnreachableError && left() <= 0) return LATE
        throw error
      },
    )
    if (report === LATE) return 'time is up'
    if (report === null) return 'dropped'
    isFirst = false
    const end = endOf(report)
    if (end !== null) return end
    if (left() <= 0) return 'time is up'
    await atMost(Math.min(left(), LOOK_EVERY_MS), new Promise(() => {}), signal)
  }
}

/** How the batch stands now; while the store cannot be read, or hangs, as it was seen last. */
export async function reportNowOr(
  seen: BatchReport | null,
  store: Pick<Store, 'reports'>,
  batchId: number,
): Promise<BatchReport | null> {
  try {
    const report = await atMost(LAST_LOOK_MS, reportOf(store, batchId), NEVER_ABORTED)
    return report === LATE ? seen : report
  } catch (error) {
    if (error instanceof UnreachableError) return seen
    throw error
  }
}

/**
 * Repeats a look at the store for as long as its database may take to come back. A store that was lost does not.
 * @throws the last error; the signal's reason
 */
export async function whileStoreIsAway<T>(
  store: Pick<Store, 'writeFailure'>,
  look: () => Promise<T>,
  { signal, patienceMs = Number.POSITIVE_INFINITY }: { readonly signal: AbortSignal; readonly patienceMs?: number },
): Promise<T> {
  const giveUpAt = performance.now() + Math.min(patienceMs, STORE_IS_BACK_WITHIN_MS)
  for (;;) {
    try {
      return await look()
    } catch (error) {
      const isAway = error instanceof UnreachableError && store.writeFailure() === null
      if (!isAway || performance.now() > giveUpAt) throw error
    }
    await atMost(AGAIN_AFTER_MS, new Promise(() => {}), signal)
  }
}

const LATE = Symbol('late')

/** The result of the work, or `LATE` when the time is up; rejects with the signal's reason. */
async function atMost<T>(ms: number, work: Promise<T>, signal: AbortSignal): Promise<T | typeof LATE> {
  const ended = new AbortController()
  const alarm = sleep<typeof LATE>(Math.min(ms, LONGEST_TIMER_MS), LATE, { signal: ended.signal })
  try {
    return await orAborted(Promise.race([work, alarm]), signal)
  } finally {
    ended.abort()
  }
}

function endOf(report: BatchReport): Waited | null {
  if (report.batch.state === 'loading' || report.waiting > 0) return null
  return report.withheld > 0 ? 'withheld' : 'done'
}
