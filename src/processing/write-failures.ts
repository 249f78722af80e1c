import type { Clock } from '../domain/clock.js'
import type { UnreachableError } from '../domain/errors.js'
import type { WriteFailure } from '../domain/write-failure.js'

/** Remembers since when one kind of write to the store fails, and why. */
export interface WriteFailures {
  failed(error: UnreachableError): void
  over(): void
  current(): WriteFailure | null
}

/** An idle worker never retries, so it would report a stale failure forever. Forget it after a minute. */
const KNOWN_FOR_MS = 60_000

export function trackWriteFailures(kind: WriteFailure['kind'], clock: Clock): WriteFailures {
  let failure: WriteFailure | null = null
  let failedAtMs = 0

  function current(): WriteFailure | null {
    if (clock.monotonicMs() - failedAtMs > KNOWN_FOR_MS) failure = null
    return failure
  }

  return {
    current,
    failed(error) {
      failure = { kind, since: current()?.since ?? clock.now(), cause: error.message }
      failedAtMs = clock.monotonicMs()
    },
    over() {
      failure = null
    },
  }
}
