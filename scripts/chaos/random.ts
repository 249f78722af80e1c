/** Chance from a seed: the same seed gives the same throws in the same order. */
export interface Random {
  /** A whole number, both ends included. */
  between(from: number, to: number): number
  /** True with this chance, 0 to 1. */
  falls(chance: number): boolean
  pick<T>(from: readonly [T, ...T[]]): T
  /** One of the names, as often as its weight says. */
  weighed<Name extends string>(weights: Readonly<Record<Name, number>>): Name
}

export function openDice(seed: number): Random {
  let state = seed >>> 0
  /** Mulberry32: 32 bits of state, good enough to choose by. From 0 up to 1. */
  function next(): number {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }

  return {
    between: (from, to) => from + Math.floor(next() * (to - from + 1)),
    falls: (chance) => next() < chance,
    pick: (from) => from[Math.floor(next() * from.length)] ?? from[0],
    weighed<Name extends string>(weights: Readonly<Record<Name, number>>): Name {
      const entries = Object.entries(weights) as [Name, number][]
      let left = next() * entries.reduce((sum, [, weight]) => sum + weight, 0)
      for (const [name, weight] of entries) {
        left -= weight
        if (left < 0) return name
      }
      throw new RangeError('expected at least one weight above 0')
    },
  }
}
