import { UnreachableError } from './errors.js'

/**
 * Waits no longer than that. A Redis that is away keeps its callers waiting for its return, which is right
 * for a worker and wrong for a person who looks at a page or a terminal.
 * Errors: `UnreachableError` with the sentence when the time is up; what `work` rejects with.
 */
export async function withTimeout<T>(ms: number, work: Promise<T>, message: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const expired = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new UnreachableError(message)), ms)
  })
  try {
    return await Promise.race([work, expired])
  } finally {
    clearTimeout(timer)
  }
}
