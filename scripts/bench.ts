import { readFile, writeFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { distant } from './bench/distant.js'
import type { StoreName } from './bench/environment.js'
import type { Bench, Figure } from './bench/figure.js'
import { thisMachine } from './bench/machine.js'
import { million } from './bench/million.js'
import { night } from './bench/night.js'
import { pace } from './bench/pace.js'
import { pairs } from './bench/pairs.js'
import { peer } from './bench/peer.js'
import { playRole } from './bench/role.js'
import { startUp } from './bench/start-up.js'
import { renderTable } from './bench/table.js'
import { throughput } from './bench/throughput.js'
import { postgresBinaries } from './postgres-server.js'

/**
 * Measures the built program on this machine, next to baselines. It runs as users run it: commands and
 * workers are processes of their own.
 */

const BENCHES: readonly Bench[] = [startUp, pairs, throughput, night, million, pace, distant, peer]

const MARKS = ['<!-- bench -->', '<!-- end of bench -->'] as const

const HELP = `Usage: npm run bench -- [options]

  --only NAME         run only this bench; may be repeated: ${BENCHES.map(({ name }) => name).join(', ')}
  --store NAME        sqlite or postgres; may be repeated; default: both, if PostgreSQL is installed
  --quick             smaller sizes: ten minutes in all
  --true-minutes N    with pace: also N real minutes at 300 calls a minute
  --into FILE         also writes the table into this page, between ${MARKS.join(' and ')}
  --help              prints this text

${BENCHES.map(({ name, about }) => `  ${name.padEnd(12)}${about}`).join('\n')}

Everything takes about forty minutes. Run nothing else on the machine meanwhile.`

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      only: { type: 'string', multiple: true },
      store: { type: 'string', multiple: true },
      quick: { type: 'boolean', default: false },
      'true-minutes': { type: 'string', default: '0' },
      into: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) {
    console.log(HELP)
    return 0
  }
  const trueMinutes = Number(values['true-minutes'])
  const stores = storesFor(values.store ?? (postgresBinaries() === null ? ['sqlite'] : ['sqlite', 'postgres']))
  const unknown = (values.only ?? []).filter((name) => !BENCHES.some((bench) => bench.name === name))
  if (unknown.length > 0) return misused(`No such bench: ${unknown.join(', ')}`)
  if (!(trueMinutes >= 0)) return misused('--true-minutes: expected a number')
  if (stores === null) return misused('--store: expected sqlite or postgres, which must be installed')
  const chosen = BENCHES.filter(({ name }) => values.only === undefined || values.only.includes(name))
  const machine = thisMachine()
  const figures: Figure[] = []
  for (const bench of chosen) {
    const say = (text: string): void => console.error(`${bench.name}: ${text}`)
    figures.push(...(await bench.run({ quick: values.quick, stores, trueMinutes, say })))
  }
  const table = renderTable(figures, machine)
  console.log(table)
  if (values.into !== undefined) await putInto(values.into, table)
  return 0
}

async function putInto(path: string, table: string): Promise<void> {
  const page = await readFile(path, 'utf8')
  const [from, to] = MARKS.map((mark) => page.indexOf(mark))
  if (from === undefined || to === undefined || from < 0 || to < from)
    throw new Error(`Expected ${MARKS.join(' and ')} in ${path}, to write the table between them.`)
  await writeFile(path, `${page.slice(0, from + MARKS[0].length)}\n${table}\n${page.slice(to)}`)
}

function misused(problem: string): number {
  console.error(`${problem}.\n\n${HELP}`)
  return 2
}

/** Null: a name is unknown, or PostgreSQL is not installed. */
function storesFor(names: readonly string[]): readonly StoreName[] | null {
  const stores = names.flatMap((name): StoreName[] => {
    if (name === 'sqlite') return ['SQLite']
    return name === 'postgres' && postgresBinaries() !== null ? ['PostgreSQL'] : []
  })
  return stores.length === names.length ? stores : null
}

if (!(await playRole(process.argv.slice(2)))) process.exitCode = await main()
