/** What was really done: a kill that found nobody does not count. */
export interface Counters {
  kills: number
  /** Calls that the simulator had open at these moments, of all workers. */
  openAtKills: number
  stops: number
  freezes: number
  redisKills: number
  redisRestarts: number
  flushes: number
  /** Of PostgreSQL, these four. */
  postgresRestarts: number
  postgresKills: number
  terminations: number
  postgresFreezes: number
  faults: number
  emptied: number
  pauses: number
  /** Dead letters sent back from the command line, and retried as Bull Board does. */
  retried: number
  retriedOnBoard: number
  jobsRemoved: number
  /** Actions that found nothing to act on, or a Redis that was away. */
  missed: number
}

export function emptyCounters(): Counters {
  return {
    kills: 0,
    openAtKills: 0,
    stops: 0,
    freezes: 0,
    redisKills: 0,
    redisRestarts: 0,
    flushes: 0,
    postgresRestarts: 0,
    postgresKills: 0,
    terminations: 0,
    postgresFreezes: 0,
    faults: 0,
    emptied: 0,
    pauses: 0,
    retried: 0,
    retriedOnBoard: 0,
    jobsRemoved: 0,
    missed: 0,
  }
}
