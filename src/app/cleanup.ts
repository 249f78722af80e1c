/**
 * Whoever opens a resource registers here how to close it. Resources are closed once, in reverse
 * order. Borrowed resources are not registered.
 */
export interface Cleanup {
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
    add: (close) => void closers.push(close),
    runAll: () => (closing ??= run()),
  }
}

/** Runs `open`. If it throws, closes what it has opened so far. */
export async function withCleanup<T>(open: (cleanup: Cleanup) => Promise<T>): Promise<T> {
  const cleanup = createCleanup()
  try {
    return await open(cleanup)
  } catch (error) {
    await cleanup.runAll().catch(() => {})
    throw error
  }
}
