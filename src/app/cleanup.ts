/** Who opens, closes: closers are registered as things open and run in reverse, once. Borrowed things are never closed. */
export interface Cleanup {
  add(close: () => Promise<unknown> | unknown): void
  /** Runs all of them even when one fails; the first failure is thrown at the end. Second call: the same promise. */
  runAll(): Promise<void>
}

export function createCleanup(): Cleanup {
  const cleanup: (() => Promise<unknown> | unknown)[] = []
  let closing: Promise<void> | null = null

  async function run(): Promise<void> {
    const failures: unknown[] = []
    for (const close of cleanup.reverse()) {
      try {
        await close()
      } catch (error) {
        failures.push(error)
      }
    }
    if (failures.length > 0) throw failures[0]
  }

  return {
    add: (close) => void cleanup.push(close),
    runAll: () => (closing ??= run()),
  }
}

/** Opens things one after another; when one fails, those already open are closed again. */
export async function withCleanup<T>(open: (cleanup: Cleanup) => Promise<T>): Promise<T> {
  const cleanup = createCleanup()
  try {
    return await open(cleanup)
  } catch (error) {
    await cleanup.runAll().catch(() => {})
    throw error
  }
}
