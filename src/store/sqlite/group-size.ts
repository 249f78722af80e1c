/** A larger group would save hardly any time, because the commit itself is then a small part of it. */
const LARGEST = 64
const WINDOW_MS = 250
/** Limits of the utilization, found by measuring 10 and 50 calls at a time of 0 and 50 ms (`npm run bench -- --only throughput`). */
const BUSY = 0.97
const SPARE = 0.85
/** Limit of the share of the time spent waiting for the lock of another process. */
const CONTENDED = 0.02

/**
 * How many changes share a commit: as few as this process can afford. A commit blocks the thread, and all
 * changes in it resolve only once it is done. If ten answers that arrive together share one, the next ten
 * calls leave together too, and their answers arrive together again, so the process is always either idle or
 * behind. A commit for each change spreads the calls.
 *
 * The size doubles while the process is busy, which saves commits, and is halved once it has idle time. It also
 * doubles while the process waits for other processes that use the store: who finds the store locked sleeps for much
 * longer than a commit takes.
 * @param lockWaitMs how long this process has waited for the lock so far
 * @param utilization the share of the time since its last call that this process was busy
 */
export function openGroupSize(
  lockWaitMs: () => number,
  utilization: () => number = openUtilization(),
  monotonicMs: () => number = () => performance.now(),
): () => number {
  let size = 1
  let askedAt = monotonicMs()
  let waitedMs = lockWaitMs()
  return () => {
    const now = monotonicMs()
    if (now - askedAt < WINDOW_MS) return size
    const busy = utilization()
    const waiting = (lockWaitMs() - waitedMs) / (now - askedAt)
    askedAt = now
    waitedMs = lockWaitMs()
    if (busy > BUSY || waiting > CONTENDED) size = Math.min(LARGEST, size * 2)
    else if (busy < SPARE && waiting < CONTENDED / 4) size = Math.max(1, size / 2)
    return size
  }
}

function openUtilization(): () => number {
  let before = performance.eventLoopUtilization()
  return () => {
    const { utilization } = performance.eventLoopUtilization(before)
    before = performance.eventLoopUtilization()
    return utilization
  }
}
