import pRetry from 'p-retry'
import type { Clock } from '../domain/clock.js'
import type { Logger } from '../domain/logger.js'
import type { WriteFailure } from '../domain/pause.js'
import { isStoreFailure, type StoreFailure } from '../store/store-failure.js'
import type { UnsavedEnd } from './unsaved.js'

export interface DurableWriter {
  /**
   * Retries `write` until it succeeds. Rejects with any error that is not a `StoreFailure`.
   * @param end what is being saved, for a worker that must stop before the save succeeds
   */
  save<T>(write: () => Promise<T>, end?: UnsavedEnd): Promise<T>
  /**
   * What is not saved yet. `andRecent`: also what was saved in the last minute, for a store that turned
   * out to be damaged.
   */
  unsaved(andRecent: boolean): readonly UnsavedEnd[]
  /** Resolves when no save is failing, so that a new call may be made. */
  settled(): Promise<void>
  readonly failure: Pick<WriteFailures, 'current'>
}

const SHORTEST_MS = 100
const LONGEST_MS = 5000
/** Damage is detected sooner than this in all but the largest stores. */
const RECENT_MS = 60_000
const MOST_RECENT = 500
/** Total size of the recent answers, in characters. */
const LARGEST_RECENT = 16 * 1024 * 1024

/**
 * Retries the save of a paid answer for as long as the process lives: the disk may be full, or a backup may
 * lock the file. Meanwhile this process makes no new call, because its answer could not be saved either.
 * A bug of ours is not retried: it would block the process forever.
 */
export function openDurableWriter(parts: { readonly log: Logger; readonly clock: Clock }): DurableWriter {
  const failure = trackWriteFailures('save', parts.clock)
  const failing = new Set<symbol>()
  const ends = new Map<symbol, UnsavedEnd>()
  const recent: { readonly savedAtMs: number; readonly end: UnsavedEnd }[] = []
  let recentChars = 0
  let waiting: (() => void)[] = []

  function failed(save: symbol, error: StoreFailure): void {
    failure.failed(error)
    if (failing.size === 0) {
      parts.log.error(
        { event: 'store.write_failed', err: error, repeats: true },
        'cannot reach the store after a call; making no new calls until its answer is saved',
      )
    }
    failing.add(save)
  }

  function remember(end: UnsavedEnd): void {
    const now = parts.clock.monotonicMs()
    recent.push({ savedAtMs: now, end })
    recentChars += charsOf(end)
    for (let [oldest] = recent; oldest !== undefined && isTooMuch(now - oldest.savedAtMs); [oldest] = recent) {
      recentChars -= charsOf(oldest.end)
      recent.shift()
    }
  }

  function isTooMuch(ageMs: number): boolean {
    return ageMs > RECENT_MS || recent.length > MOST_RECENT || recentChars > LARGEST_RECENT
  }

  function over(save: symbol): void {
    if (!failing.delete(save) || failing.size > 0) return
    failure.over()
    parts.log.info({ event: 'store.write_recovered', repeats: true }, 'every answer is saved; calls continue')
    for (const resolve of waiting) resolve()
    waiting = []
  }

  return {
    failure,
    unsaved: (andRecent) => [...(andRecent ? recent.map(({ end }) => end) : []), ...ends.values()],
    async save(write, end) {
      const save = Symbol('save')
      if (end !== undefined) ends.set(save, end)
      try {
        const written = await pRetry(write, {
          retries: Number.POSITIVE_INFINITY,
          minTimeout: SHORTEST_MS,
          maxTimeout: LONGEST_MS,
          factor: 2,
          shouldRetry: ({ error }) => isStoreFailure(error),
          onFailedAttempt: ({ error }) => {
            if (isStoreFailure(error)) failed(save, error)
          },
        })
        if (end !== undefined) remember(end)
        return written
      } finally {
        ends.delete(save)
        over(save)
      }
    },
    async settled() {
      while (failing.size > 0) await new Promise<void>((resolve) => waiting.push(resolve))
    },
  }
}

function charsOf({ end: { decision } }: UnsavedEnd): number {
  return 'body' in decision ? (decision.body?.length ?? 0) : 0
}

export interface WriteFailures {
  failed(error: StoreFailure): void
  over(): void
  current(): WriteFailure | null
}

/** An idle worker never retries, so it would report a stale failure forever. Forget it after a minute. */
const KNOWN_FOR_MS = 60_000

/** Remembers since when one kind of write to the store fails, and why. */
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
