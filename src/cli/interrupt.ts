import type { Cli } from './cli.js'

/** Runs what Ctrl-C may stop: it ends through the signal, closes what it opened, and `interrupted` says what that meant. */
export async function interruptible<T>(
  cli: Cli,
  work: (signal: AbortSignal) => Promise<T>,
  interrupted: () => T,
): Promise<T> {
  const { signal, dispose } = cli.io.interruptSignal()
  try {
    return await work(signal)
  } catch (error) {
    if (signal.aborted && isAbort(error, signal)) return interrupted()
    throw error
  } finally {
    dispose()
  }
}

function isAbort(error: unknown, signal: AbortSignal): boolean {
  if (error === signal.reason) return true
  return typeof error === 'object' && error !== null && 'name' in error && error.name === 'AbortError'
}

/** The work's result, or the signal's reason as soon as it is aborted: for what waits on somebody else (a pipe, a terminal). */
export async function orAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  let onAbort = (): void => {}
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => reject(signal.reason)
    if (signal.aborted) onAbort()
    signal.addEventListener('abort', onAbort, { once: true })
  })
  try {
    return await Promise.race([aborted, work])
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}

/**
 * The same items, ending with the signal's reason as soon as it is aborted, even while the next one does not come.
 * One listener for all of them: one for each would be kept until the end, and there may be a million.
 */
export async function* untilAborted<T>(items: AsyncIterable<T>, signal: AbortSignal): AsyncGenerator<T, void> {
  const iterator = items[Symbol.asyncIterator]()
  let giveUp: (reason: unknown) => void = () => {}
  const onAbort = (): void => giveUp(signal.reason)
  signal.addEventListener('abort', onAbort, { once: true })
  let isOver = false
  try {
    for (;;) {
      signal.throwIfAborted()
      const next = await new Promise<IteratorResult<T>>((resolve, reject) => {
        giveUp = reject
        iterator.next().then(resolve, reject)
      })
      if (next.done === true) {
        isOver = true
        return
      }
      yield next.value
    }
  } finally {
    signal.removeEventListener('abort', onAbort)
    // Not waited for: behind a read that never ends it would never end either.
    if (!isOver) void iterator.return?.().catch(() => {})
  }
}
