import { QUERY, writeCatalog } from './catalog-file.js'
import { onEachStore } from './each-store.js'
import type { RunEnvironment, StoreName } from './environment.js'
import type { Bench, Figure } from './figure.js'
import type { PairSpeed } from './pairs-role.js'
import { PAIRS_ROLE, runRole } from './role.js'

/**
 * The speed of the store alone, without a queue and without calls: claim a search, then store its answer of twenty
 * tracks, each with a commit to disk.
 */

const ROWS = 60_000

export const pairs: Bench = {
  name: 'pairs',
  about: 'how many calls the store alone can claim and close in a second',
  async run({ stores, say }) {
    return onEachStore(stores, {}, (environment, store, server) => {
      say(`claim and close, ${store}`)
      return inRole(server.url, environment, store)
    })
  },
}

async function inRole(apiUrl: string, environment: RunEnvironment, store: StoreName): Promise<Figure[]> {
  const catalog = await writeCatalog(environment.dir, 'pairs', ROWS)
  await environment.cli(['submit', catalog, '--query', QUERY, '--yes', '--json'])
  const { stdout } = await runRole([PAIRS_ROLE, apiUrl, environment.dataDir, environment.databaseUrl])
  const seen = JSON.parse(stdout) as readonly PairSpeed[]
  return seen.map(({ atATime, perSecond }) => ({
    bench: 'pairs',
    store,
    what: `claim and close, ${atATime} at a time`,
    value: perSecond,
    unit: 'pairs/s',
    aim: null,
    note: 'each change on disk before the next one',
  }))
}
