/** How often each action took effect: a kill that found no running worker does not count. */
export interface Counters {
  kills: number
  /** Calls that the simulator had open at the kills, of all workers. */
  openAtKills: number
  stops: number
  freezes: number
  redisKills: number
  redisRestarts: number
  flushes: number
  // These four are about PostgreSQL.
  postgresRestarts: number
  postgresKills: number
  terminations: number
  postgresFreezes: number
  faults: number
  emptied: number
  pauses: number
  /** Dead letters retried from the command line. */
  retried: number
  /** Dead letters retried as Bull Board does it. */
  retriedOnBoard: number
  jobsRemoved: number
  /** Actions that found nothing to act on, or no running Redis. */
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
