import type { StoreName } from './environment.js'

/** One measured number, with what was hoped for and what it has to be read beside. */
export interface Figure {
  readonly bench: string
  /** Missing where it makes no difference. */
  readonly store?: StoreName
  readonly what: string
  /** Null: it could not be measured on this system. */
  readonly value: number | null
  readonly unit: string
  /** Null: a number to compare with, no aim of its own. */
  readonly aim: Aim | null
  /** The baseline beside it, the sizes, or what bounds it. */
  readonly note: string
}

export type Aim = { readonly atLeast: number } | { readonly atMost: number }

/** One bench: it measures one room or one promise, and may take minutes. */
export interface Bench {
  readonly name: string
  readonly about: string
  run(order: Order): Promise<readonly Figure[]>
}

export interface Order {
  /** Smaller sizes: ten minutes in all. */
  readonly quick: boolean
  readonly stores: readonly StoreName[]
  /** Minutes of the run at the real pace; 0: none. */
  readonly trueMinutes: number
  /** What is being done, for who waits. */
  readonly say: (text: string) => void
}

/** Null where there is no aim, or no value. */
export function isMet({ value, aim }: Figure): boolean | null {
  if (aim === null || value === null) return null
  return 'atLeast' in aim ? value >= aim.atLeast : value <= aim.atMost
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN
}
