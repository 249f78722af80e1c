import { UnreachableError } from '../domain/errors.js'
import type { Gate } from '../queue/search-queue.js'

/**
 * The gate as far as it can be had. Pauses are rows in the record and every claim reads them, so pausing and resuming
 * work without Redis; its flag follows within seconds of the next worker's start. What could not be
 * reached is remembered, to be said.
 */
export interface ForgivingGate {
  readonly gate: Gate
  /** False once anything could not be done. */
  wasReached(): boolean
}

export function forgivingGate(real: Gate | null): ForgivingGate {
  let reached = real !== null

  async function attempt<T>(work: (gate: Gate) => Promise<T>, otherwise: T): Promise<T> {
    if (real === null) return otherwise
    try {
      return await work(real)
    } catch (error) {
      if (!(error instanceof UnreachableError)) throw error
      reached = false
      return otherwise
    }
  }

  return {
    wasReached: () => reached,
    gate: {
      pause: () => attempt((gate) => gate.pause(), undefined),
      resume: () => attempt((gate) => gate.resume(), undefined),
      paused: () => attempt((gate) => gate.paused(), false),
      hold: (until) => attempt((gate) => gate.hold(until), undefined),
      heldUntil: () => attempt((gate) => gate.heldUntil(), null),
      liftHold: () => attempt((gate) => gate.liftHold(), false),
      followHold: (until) => attempt((gate) => gate.followHold(until), { tooLongMs: 0, wasStale: false }),
      setPace: (callsPerMinute) => attempt((gate) => gate.setPace(callsPerMinute), undefined),
      pace: () => attempt((gate) => gate.pace(), null),
      narrow: () => attempt((gate) => gate.narrow(), undefined),
      widen: () => attempt((gate) => gate.widen(), undefined),
      narrowed: () => attempt((gate) => gate.narrowed(), false),
    },
  }
}
