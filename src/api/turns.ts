/** A semaphore: `atATime` callers run at once, the others wait in order. */
export interface Turns {
  /** Runs `go` now or later. @returns a function that ends the turn or leaves the queue; may be called twice */
  take(go: () => void): () => void
}

export function openTurns(atATime: number): Turns {
  const waiting = new Set<() => void>()
  let free = atATime
  const next = (): void => {
    const [go] = waiting
    if (go === undefined || free === 0) return
    waiting.delete(go)
    free -= 1
    go()
  }
  return {
    take(go) {
      let isRunning = false
      let over = false
      const start = (): void => {
        isRunning = true
        go()
      }
      waiting.add(start)
      next()
      return () => {
        if (over) return
        over = true
        waiting.delete(start)
        if (!isRunning) return
        free += 1
        next()
      }
    },
  }
}
