/** So many may go on at a time, the others wait in order. */
export interface Turns {
  /** Runs `go` now or later. @returns gives the turn back, or the place in the row; may be called twice */
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
      let has = false
      let over = false
      const mine = (): void => {
        has = true
        go()
      }
      waiting.add(mine)
      next()
      return () => {
        if (over) return
        over = true
        waiting.delete(mine)
        if (!has) return
        free += 1
        next()
      }
    },
  }
}
