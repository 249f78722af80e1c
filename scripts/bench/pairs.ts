import { QUERY, writeCatalog } from './catalog-file.js'
import { BENCH_ENTRY } from './entry.js'
import { onStage, type RunEnvironment, type StoreName } from './environment.js'
import { startFastServer } from './fast-server.js'
import type { Bench, Figure } from './figure.js'
import type { PairsSeen } from './pairs-role.js'
import { PAIRS, readRole } from './role.js'

/**
 * What the record alone can do, without a queue and without calls: claim a search, then store its answer of twenty
 * tracks, each in a commit on disk.
 */
const ROWS = 60_000

export const pairs: Bench = {
  name: 'pairs',
  about: 'claims and ends of calls that the store alone takes in a second',
  async run({ stores, say }) {
    const server = await startFastServer(BENCH_ENTRY, 0)
    const figures: Figure[] = []
    try {
      for (const store of stores) {
        say(`claim and close, ${store}`)
        figures.push(...(await onStage(server.url, {}, (environment) => inRole(server.url, environment, store), store)))
      }
    } finally {
      await server.close()
    }
    return figures
  },
}

async function inRole(apiUrl: string, environment: RunEnvironment, store: StoreName): Promise<Figure[]> {
  const catalog = await writeCatalog(environment.dir, 'pairs', ROWS)
  await environment.cli(['submit', catalog, '--query', QUERY, '--yes', '--json'])
  const said = await readRole(BENCH_ENTRY, [PAIRS, apiUrl, environment.dataDir, environment.databaseUrl])
  const seen = JSON.parse(said) as readonly PairsSeen[]
  return seen.map(({ atATime, perSecond }) => ({
    bench: 'pairs',
    store,
    what: `claim and close, ${atATime} at a time`,
    value: perSecond,
    unit: 'pairs/s',
    aim: null,
    note: 'each change on disk before the next',
  }))
}
