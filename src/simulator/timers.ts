/** Timers that end with the simulator. */
export interface Timers {
  after(ms: number, run: () => void): void
  clear(): void
}

export function createTimers(): Timers {
  const pending = new Set<NodeJS.Timeout>()
  return {
    after(ms, run) {
      const timer = setTimeout(() => {
        pending.delete(timer)
        run()
      }, ms)
      pending.add(timer)
    },
    clear() {
      for (const timer of pending) clearTimeout(timer)
      pending.clear()
    },
  }
}
