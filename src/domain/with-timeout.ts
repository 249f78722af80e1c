import { type ErrorCode, UnreachableError } from './errors.js'

/**
 * Waits for `work` at most `ms` milliseconds. Commands to a Redis that is down wait until it is back. That is
 * right for a worker, but wrong for a person at a page or a terminal.
 * @throws UnreachableError with `message` and `code` when the time is up; otherwise whatever `work` rejects with
 */
export async function withTimeout<T>(
  ms: number,
  work: Promise<T>,
  message: string,
  code: ErrorCode = 'unreachable',
): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const expired = new Promise<never>((_resolve, reject) => {
    // If this process was held up, by the lock of the store, the answer is there and is read first.
    timer = setTimeout(() => setImmediate(() => reject(new UnreachableError(message, { code }))), ms)
  })
  try {
    return await Promise.race([work, expired])
  } finally {
    clearTimeout(timer)
  }
}

/**
 * Waits for at most `ms`, for work that an absent or frozen Redis would delay forever, such as QUIT. Shutdown must
 * end even then. A rejection counts as settled.
 * @returns whether the work settled in time
 */
export function settledWithin(ms: number, work: Promise<unknown>): Promise<boolean> {
  const settled = work.then(
    () => true,
    () => true,
  )
  return withTimeout(ms, settled, 'late').catch(() => false)
}
