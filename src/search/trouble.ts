import type { Clock } from '../domain/clock.js'
import type { UnreachableError } from '../domain/errors.js'
import type { StoreTrouble } from '../domain/store-trouble.js'

/** Remembers since when the record takes no writes of one kind, and why. */
export interface Trouble {
  failed(error: UnreachableError): void
  over(): void
  current(): StoreTrouble | null
}

/** Who fails tries again within seconds; who has nothing left to write never hears that it would work. */
const KNOWN_FOR_MS = 60_000

export function openTrouble(kind: StoreTrouble['kind'], clock: Clock): Trouble {
  let trouble: StoreTrouble | null = null
  let failedAtMs = 0

  function current(): StoreTrouble | null {
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
