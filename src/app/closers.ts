/** Who opens, closes: closers are registered as things open and run in reverse, once. Borrowed things are never closed. */
export interface Closers {
  add(close: () => Promise<unknown> | unknown): void
  /** Runs all of them even when one fails; the first failure is thrown at the end. Second call: the same promise. */
  closeAll(): Promise<void>
}

export function openClosers(): Closers {
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
    closeAll: () => (closing ??= run()),
  }
}

/** Opens things one after another; when one fails, those already open are closed again. */
export async function opening<T>(open: (closers: Closers) => Promise<T>): Promise<T> {
  const closers = openClosers()
  try {
    return await open(closers)
  } catch (error) {
    await closers.closeAll().catch(() => {})
    throw error
  }
}
