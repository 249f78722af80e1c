import type { Clock } from '../domain/clock.js'
import type { UnreachableError } from '../domain/errors.js'
import type { WriteFailure } from '../domain/write-failure.js'

/** Remembers since when the record takes no writes of one kind, and why. */
export interface WriteFailures {
  failed(error: UnreachableError): void
  over(): void
  current(): WriteFailure | null
}

/** Who fails tries again within seconds; who has nothing left to write never hears that it would work. */
const KNOWN_FOR_MS = 60_000

export function trackWriteFailures(kind: WriteFailure['kind'], clock: Clock): WriteFailures {
  let trouble: WriteFailure | null = null
  let failedAtMs = 0

  function current(): WriteFailure | null {
    if (clock.monotonicMs() - failedAtMs > KNOWN_FOR_MS) trouble = null
    return trouble
  }

  return {
    current,
    failed(error) {
      trouble = { kind, since: current()?.since ?? clock.now(), cause: error.message }
      failedAtMs = clock.monotonicMs()
    },
    over() {
      trouble = null
    },
  }
}
