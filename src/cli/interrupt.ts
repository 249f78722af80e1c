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
  return error === signal.reason || (error instanceof Error && error.name === 'AbortError')
}

/**
 * The same items, ending with the signal's reason as soon as it is aborted, even while the next one does not come
 * (a terminal or a pipe that nobody writes to).
 */
export async function* untilAborted<T>(items: AsyncIterable<T>, signal: AbortSignal): AsyncGenerator<T, void> {
  const iterator = items[Symbol.asyncIterator]()
  let onAbort = (): void => {}
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => reject(signal.reason)
    signal.addEventListener('abort', onAbort, { once: true })
  })
  aborted.catch(() => {})
  let isOver = false
  try {
    signal.throwIfAborted()
    for (;;) {
      const next = await Promise.race([iterator.next(), aborted])
      if (next.done) {
        isOver = true
        return
      }
      yield next.value
    }
  } finally {
    signal.removeEventListener('abort', onAbort)
    // Not waited for: behind a read that never ends it would never end either.
    if (!isOver) void iterator.return?.()?.catch(() => {})
  }
}
