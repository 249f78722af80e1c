import { writeFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { distant } from './bench/distant.js'
import { type Bench, type Figure, isMet } from './bench/figure.js'
import { thisMachine } from './bench/machine.js'
import { million } from './bench/million.js'
import { night } from './bench/night.js'
import { pace } from './bench/pace.js'
import { playRole } from './bench/role.js'
import { startUp } from './bench/start-up.js'
import { renderTable } from './bench/table.js'
import { throughput } from './bench/throughput.js'

/**
 * What the program can do on this machine, in one run, with baselines beside it. The built program is
 * measured as its users run it: commands and workers in processes of their own.
 */
const BENCHES: readonly Bench[] = [startUp, throughput, night, million, pace, distant]

const HELP = `Usage: npm run bench -- [options]

  --only NAME         one bench, or several (repeat it): ${BENCHES.map(({ name }) => name).join(', ')}
  --quick             a tenth of the sizes, to see that it works
  --true-minutes N    with pace: also N real minutes at 300 calls a minute
  --json FILE         the figures, as JSON
  --help              this text

${BENCHES.map(({ name, about }) => `  ${name.padEnd(12)}${about}`).join('\n')}

All of it takes about twenty minutes, and wants a machine that does nothing else.`

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      only: { type: 'string', multiple: true },
      quick: { type: 'boolean', default: false },
      'true-minutes': { type: 'string', default: '0' },
      json: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) {
    console.log(HELP)
    return 0
  }
  const trueMinutes = Number(values['true-minutes'])
  const unknown = (values.only ?? []).filter((name) => !BENCHES.some((bench) => bench.name === name))
  if (unknown.length > 0 || !(trueMinutes >= 0)) {
    console.error(
      `${unknown.length > 0 ? `No such bench: ${unknown.join(', ')}` : '--true-minutes: expected a number'}.\n\n${HELP}`,
    )
    return 2
  }
  const chosen = BENCHES.filter(({ name }) => values.only === undefined || values.only.includes(name))
  const machine = thisMachine()
  const figures: Figure[] = []
  for (const bench of chosen) {
    const say = (text: string): void => console.error(`${bench.name}: ${text}`)
    figures.push(...(await bench.run({ quick: values.quick, trueMinutes, say })))
  }
  console.log(renderTable(figures, machine))
  if (values.json !== undefined) {
    const document = { machine, quick: values.quick, figures: figures.map((each) => ({ ...each, met: isMet(each) })) }
    await writeFile(values.json, `${JSON.stringify(document, null, 2)}\n`)
  }
  return 0
}

if (!(await playRole(process.argv.slice(2)))) process.exitCode = await main()
