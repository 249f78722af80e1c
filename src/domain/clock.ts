/**
 * Time as an argument, so that rules about time can be tested without waiting for it.
 * Instants (`…At`, `…Until`) are wall-clock epoch milliseconds; durations are measured on `monotonicMs`.
 */
export interface Clock {
  /** Wall time in epoch milliseconds, for what is stored and shown. */
  now(): number
  /** Monotonic milliseconds from an arbitrary start, for durations. */
  monotonicMs(): number
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonicMs: () => performance.now(),
}

/** A clock that follows another machine's, such as that of a database which several machines share. */
export interface AdjustableClock extends Clock {
  /** @param offsetMs the other clock's time minus this machine's */
  adjust(offsetMs: number): void
}

export function adjustableClock(): AdjustableClock {
  let offset = 0
  return {
    now: () => Date.now() + offset,
    monotonicMs: systemClock.monotonicMs,
    adjust: (offsetMs) => {
      offset = Math.round(offsetMs)
    },
  }
}
