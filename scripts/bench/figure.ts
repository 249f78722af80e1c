import type { StoreName } from './environment.js'

/** One measured number, with its aim and a note. */
export interface Figure {
  readonly bench: string
  /** Missing if the store makes no difference. */
  readonly store?: StoreName
  readonly what: string
  /** Null: it could not be measured on this system. */
  readonly value: number | null
  readonly unit: string
  /** Null: only for comparison. */
  readonly aim: Aim | null
  /** The sizes, a baseline, or what limits the value. */
  readonly note: string
}

export type Aim = { readonly atLeast: number } | { readonly atMost: number }

/** One benchmark. It may take minutes. */
export interface Bench {
  readonly name: string
  readonly about: string
  run(options: BenchOptions): Promise<readonly Figure[]>
}

export interface BenchOptions {
  /** Smaller sizes: all benchmarks together take ten minutes. */
  readonly quick: boolean
  readonly stores: readonly StoreName[]
  /** How many real minutes `pace` runs at 300 calls a minute; 0: none. */
  readonly trueMinutes: number
  /** Prints progress. */
  readonly say: (text: string) => void
}

/** Null if there is no aim or no value. */
export function isMet({ value, aim }: Figure): boolean | null {
  if (aim === null || value === null) return null
  return 'atLeast' in aim ? value >= aim.atLeast : value <= aim.atMost
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN
}
