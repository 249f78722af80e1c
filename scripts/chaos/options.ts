import { parseArgs } from 'node:util'
import { ENGINES, type EngineName } from './database.js'

export interface ChaosOptions {
  readonly lastsMs: number
  readonly seed: number
  /** Where the run has its store. */
  readonly store: EngineName
  /** Only print the plan. */
  readonly planOnly: boolean
  /** Keep the directory of the run even without a violation. */
  readonly keep: boolean
}

export const HELP = `Usage: npm run chaos -- [--minutes N] [--seed S] [--store NAME] [--plan] [--keep]

Runs the built program against the simulator and breaks everything around it: workers are killed, frozen and
stopped, Redis is killed and flushed, the API fails in every way that the simulator knows. Then all faults end, the
workers finish the batches, and the simulator's log, the ledger, the queues and the exports are compared.

  --minutes N   how long to break things, 0.1 to 600 (default: 1); finishing takes up to 4 minutes more
  --seed S      a whole number; the same seed, length and store give the same plan of actions (default: 1)
  --store NAME  sqlite (default) or postgres. With postgres the run starts a server, which it also breaks, and each
                worker has a data directory of its own, as on several machines
  --plan        print the plan and do nothing
  --keep        keep the directory of the run (store, logs, exports); after a violation it is always kept

Example: npm run chaos -- --minutes 5 --seed 7

Exit codes: 0 every promise was kept, 1 a promise was broken (details above the table), 2 wrong usage, 130 interrupted.
Needs no API key and costs nothing. docs/chaos.md says how to read the table.
`

/** Null: `--help`. @throws Error with a message for the user */
export function readOptions(argv: readonly string[]): ChaosOptions | null {
  const { values } = parseArgs({
    args: [...argv],
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
