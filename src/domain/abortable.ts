/** A signal that is never aborted, for callers that pass none. */
export const NEVER_ABORTED: AbortSignal = new AbortController().signal

/**
 * The result of `work`, or the signal's reason as soon as it is aborted. For reads from a pipe or a
 * terminal.
 */
export async function orAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  // Nobody listens in vain: Node warns of more than ten listeners.
  if (signal === NEVER_ABORTED) return work
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
 * The same items, until the signal is aborted: then throws its reason, even while waiting for the
 * next item. One listener serves all items: one per item would leak, and there may be a million.
 */
export async function* untilAborted<T>(items: AsyncIterable<T>, signal: AbortSignal): AsyncGenerator<T, void> {
  const iterator = items[Symbol.asyncIterator]()
  let rejectNext: (reason: unknown) => void = () => {}
  const onAbort = (): void => rejectNext(signal.reason)
  signal.addEventListener('abort', onAbort, { once: true })
  let isOver = false
  try {
    for (;;) {
      signal.throwIfAborted()
      const next = await new Promise<IteratorResult<T>>((resolve, reject) => {
        rejectNext = reject
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
    // Not awaited: `return` never ends if it is behind a read that never ends.
    if (!isOver) void iterator.return?.().catch(() => {})
  }
}
