import { QUERY, writeCatalog } from './catalog-file.js'
import { onEachStore } from './each-store.js'
import type { RunEnvironment } from './environment.js'
import type { Bench, Figure } from './figure.js'
import { median } from './figure.js'

/** How long users wait for short commands, with a small catalog in the store. */

const RUNS = 9
const ROWS = 1000

export const startUp: Bench = {
  name: 'start',
  about: 'how long short commands take',
  async run({ stores, say }) {
    const figures = await onEachStore(stores, {}, async (environment, store) => {
      say(`short commands, ${store}`)
      const catalog = await writeCatalog(environment.dir, 'start', ROWS)
      await environment.cli(['submit', catalog, '--query', QUERY, '--yes', '--json'])
      const seen: Figure[] = []
      for (const command of ['--help', 'status', 'show vid-7', 'dead-letters'])
        seen.push({
          ...(command === '--help' ? {} : { store }),
          bench: 'start',
          what: command,
          value: await waitMs(environment, command.split(' ')),
          unit: 'ms',
          aim: { atMost: command === '--help' ? 80 : 200 },
          note: `median of ${RUNS}, including the start of Node${command === '--help' ? '' : `; ${ROWS} rows`}`,
        })
      return seen
    })
    return figures.filter(
      ({ store, what }, index) => store !== undefined || figures.findIndex((each) => each.what === what) === index,
    )
  },
}

async function waitMs(environment: RunEnvironment, command: readonly string[]): Promise<number> {
  const waits: number[] = []
  for (let run = 0; run < RUNS; run += 1) waits.push((await environment.cli(command)).wallMs)
  return median(waits)
}
