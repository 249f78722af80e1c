import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { postgresBinaries } from '../postgres-server.js'
import { startSharedServers } from '../shared-servers.js'
import { roundTripMs, startDelay } from './delay.js'
import type { Bench, Figure } from './figure.js'
import { measure, usageFigure } from './pace.js'

/**
 * The rate of the largest tier with the store on another machine: four workers, and PostgreSQL behind a proxy that
 * delays every chunk. Each commit is forced to disk.
 */

const WORKERS = 4
const ONE_WAY_MS = 1.2
const SECONDS = 90

export const distant: Bench = {
  name: 'distant',
  about: '300 calls a minute with four workers and a PostgreSQL whose round trip takes 2.4 ms',
  async run({ quick, say }) {
    if (postgresBinaries() === null) return [{ ...ROUND_TRIP, value: null, note: 'PostgreSQL is not installed' }]
    const dir = await mkdtemp(join(tmpdir(), 'bench-'))
    const shared = await startSharedServers(dir, 'distant', { settings: { fsync: 'on' } })
    const delay = await startDelay(shared.server.port, ONE_WAY_MS)
    try {
      const url = new URL(shared.databaseUrl)
      url.port = String(delay.port)
      const settings = { ...shared.settings, TRACKYARD_DATABASE_URL: url.href }
      const tripMs = await roundTripMs(delay.port)
      const seconds = quick ? SECONDS / 3 : SECONDS
      say(
        `300 calls a minute with ${WORKERS} workers for ${seconds} s; a round trip to PostgreSQL takes ${tripMs.toFixed(1)} ms`,
      )
      const row = {
        kind: 'sliding',
        perMinute: 300,
        minuteMs: 60_000,
        seconds,
        workerPlan: { workers: WORKERS },
      } as const
      return [
        { ...ROUND_TRIP, value: tripMs, note: 'median, through the proxy' },
        { ...usageFigure(await measure(row, settings)), bench: 'distant' },
      ]
    } finally {
      await delay.close()
      await shared.close()
      await rm(dir, { recursive: true, force: true })
    }
  },
}

const ROUND_TRIP: Omit<Figure, 'value' | 'note'> = {
  bench: 'distant',
  what: 'a round trip to PostgreSQL',
  unit: 'ms',
  aim: null,
}
