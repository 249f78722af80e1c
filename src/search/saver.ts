import pRetry from 'p-retry'
import { UnreachableError } from '../domain/errors.js'
import type { Logger } from '../domain/logger.js'

/**
 * A paid answer is saved, whatever it takes: the disk may be full, the file locked by a backup. As long as the
 * process lives the save is tried again, and meanwhile nobody in this process makes a new call, since
 * its answer could not be saved either. A bug of ours is not tried again: it would hold up everybody for ever.
 */
export interface Saver {
  /** Runs the save until it succeeds. Rejects with whatever is no `UnreachableError`. */
  save<T>(write: () => Promise<T>): Promise<T>
  /** Resolves when no save is failing: the moment for a new call. */
  settled(): Promise<void>
}

const SHORTEST_MS = 100
const LONGEST_MS = 5000

export function openSaver(parts: { readonly log: Logger }): Saver {
  const failing = new Set<symbol>()
  let waiting: (() => void)[] = []

  function failed(save: symbol, error: Error): void {
    if (failing.size === 0) {
      parts.log.error({ err: error }, 'an answer cannot be saved; no new calls until it is')
    }
    failing.add(save)
  }

  function over(save: symbol): void {
    if (!failing.delete(save) || failing.size > 0) return
    parts.log.info({}, 'every answer is saved; calls go on')
    for (const go of waiting) go()
    waiting = []
  }

  return {
    async save(write) {
      const save = Symbol('save')
      try {
        return await pRetry(write, {
          retries: Number.POSITIVE_INFINITY,
          minTimeout: SHORTEST_MS,
          maxTimeout: LONGEST_MS,
          factor: 2,
          shouldRetry: ({ error }) => error instanceof UnreachableError,
          onFailedAttempt: ({ error }) => {
            if (error instanceof UnreachableError) failed(save, error)
          },
        })
      } finally {
        over(save)
      }
    },
    async settled() {
      while (failing.size > 0) await new Promise<void>((resolve) => waiting.push(resolve))
    },
  }
}
