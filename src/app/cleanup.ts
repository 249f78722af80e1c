/**
 * Code that opens a resource adds here how to close it. Resources are closed once, in reverse
 * order. Borrowed resources are not added.
 */
export interface Cleanup {
  /** What was opened too late, after `runAll`, is closed as soon as that is done. */
  add(close: () => Promise<unknown> | unknown): void
  /**
   * Closes everything, even if one close fails, then throws the first failure. Later calls return
   * the same promise.
   */
  runAll(): Promise<void>
}

export function createCleanup(): Cleanup {
  const closers: (() => Promise<unknown> | unknown)[] = []
  let closing: Promise<void> | null = null

  async function run(): Promise<void> {
    const failures: unknown[] = []
    for (const close of closers.reverse()) {
      try {
        await close()
      } catch (error) {
        failures.push(error)
      }
    }
    if (failures.length > 0) throw failures[0]
  }

  return {
    add(close) {
      if (closing === null) closers.push(close)
      else void closing.finally(close).catch(() => {})
    },
    runAll: () => (closing ??= run()),
  }
}

/** Runs `use`, then closes what it has opened, even if it throws. */
export async function withCleanup<T>(use: (cleanup: Cleanup) => Promise<T>): Promise<T> {
  return cleanupOnError(async (cleanup) => {
    const result = await use(cleanup)
    await cleanup.runAll()
    return result
  })
}

/** Runs `open`, whose result owns what it has opened. If it throws, closes what it has opened so far. */
export async function cleanupOnError<T>(open: (cleanup: Cleanup) => Promise<T>): Promise<T> {
  const cleanup = createCleanup()
  try {
    return await open(cleanup)
  } catch (error) {
    await cleanup.runAll().catch(() => {})
    throw error
  }
}
