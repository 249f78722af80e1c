import type { EngineName } from './database.js'

const POSTGRES_COUNTERS = {
  postgresRestarts: 'PostgreSQL restarts',
  postgresKills: 'PostgreSQL kills',
  terminations: 'connections terminated',
  postgresFreezes: 'PostgreSQL freezes',
} as const

/** What is counted, with its name in the table. A kill that found no running worker does not count. */
const COUNTERS = {
  kills: 'kills',
  stops: 'clean stops',
  freezes: 'freezes',
  redisKills: 'Redis kills',
  redisRestarts: 'Redis restarts',
  flushes: 'flushes',
  ...POSTGRES_COUNTERS,
  jobsRemoved: 'jobs removed by hand',
  faults: 'faults at the API',
  emptied: 'account emptied',
  pauses: 'pauses',
  retried: 'retries, command line',
  retriedOnBoard: 'retries, board',
  openAtKills: 'calls open at kills',
} as const

/** How often each action took effect. */
export type Counters = Record<keyof typeof COUNTERS, number>

const NAMES = Object.keys(COUNTERS) as (keyof Counters)[]

export function emptyCounters(): Counters {
  return Object.fromEntries(NAMES.map((name) => [name, 0])) as Counters
}

export function counterRows(store: EngineName, counters: Counters): readonly (readonly [string, number])[] {
  return NAMES.filter((name) => store === 'postgres' || !(name in POSTGRES_COUNTERS)).map((name) => [
    COUNTERS[name],
    counters[name],
  ])
}
