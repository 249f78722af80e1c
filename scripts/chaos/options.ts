import { parseArgs } from 'node:util'
import { ENGINES, type EngineName } from './database.js'

export interface ChaosOptions {
  readonly lastsMs: number
  readonly seed: number
  /** What the store is kept in. */
  readonly store: EngineName
  /** Only print what would be done. */
  readonly planOnly: boolean
  /** Keep the folder of the run even if all is well. */
  readonly keep: boolean
}

export const HELP = `Usage: npm run chaos -- [--minutes N] [--seed S] [--store ENGINE] [--plan] [--keep]

Runs the built program against the simulator and breaks everything around it: workers are killed, frozen and
stopped, Redis is killed and flushed, the API fails in every way it knows. Then all is mended, the batches
are finished, and the server's log, the ledger, the queues and the exports are held against each other.

  --minutes N   how long to break things, 0.1 to 600 (default: 1); finishing takes up to 4 minutes more
  --seed S      a whole number; the same seed, length and store give the same plan of actions (default: 1)
  --store NAME  sqlite (default) or postgres: a server of the run's own, which is broken, too; then each worker has a
                data directory of its own, as on several machines
  --plan        print the plan and do nothing
  --keep        keep the folder of the run (store, logs, exports); it is always kept after a violation

Example: npm run chaos -- --minutes 5 --seed 7

Exit codes: 0 every promise was kept, 1 a promise was broken (details above the table), 2 wrong usage, 130 interrupted.
Needs no API key and costs nothing. docs/chaos.md says how to read the table.
`

/** What the words say; null: help is wanted. @throws Error with a sentence for words that make no sense */
export function readOptions(words: readonly string[]): ChaosOptions | null {
  const { values } = parseArgs({
    args: [...words],
    options: {
      minutes: { type: 'string', default: '1' },
      seed: { type: 'string', default: '1' },
      store: { type: 'string', default: 'sqlite' },
      plan: { type: 'boolean', default: false },
      keep: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  })
  if (values.help) return null
  const minutes = Number(values.minutes)
  if (!(minutes >= 0.1 && minutes <= 600)) {
    throw new Error(`--minutes: expected a number from 0.1 to 600, found "${values.minutes}".`)
  }
  const seed = Number(values.seed)
  if (!Number.isSafeInteger(seed) || seed < 0) {
    throw new Error(`--seed: expected a whole number, 0 or more, found "${values.seed}".`)
  }
  const store = ENGINES.find((name) => name === values.store)
  if (store === undefined) throw new Error(`--store: expected ${ENGINES.join(' or ')}, found "${values.store}".`)
  return { lastsMs: Math.round(minutes * 60_000), seed, store, planOnly: values.plan, keep: values.keep }
}
