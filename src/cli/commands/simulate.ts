import { once } from 'node:events'
import { type Command, Option } from 'commander'
import { type ExitCode, errorCode, UsageError } from '../../domain/errors.js'
import { controlLines } from '../../simulator/controls.js'
import { FAULT_KINDS } from '../../simulator/faults.js'
import type { Act, Cli } from '../lib/cli.js'
import { addExamples, parseWholeNumber } from '../lib/parse.js'

interface SimulateOptions {
  readonly port: number
  readonly tier: 'free' | 'starter' | 'pro'
  readonly credits?: number
  readonly perMinute?: number
  readonly latency: number
}

const MANY = 1_000_000_000
/** Far below the longest timer of Node: it turns a longer one into 1 ms. */
const LONGEST_LATENCY_MS = 600_000

export function define(command: Command, act: Act): void {
  command
    .description(
      'Runs a simulated Trackyard API on this machine until Ctrl-C: no key, no credits, no network. Tracks are made up; ' +
        'limits, balance and errors behave as documented.',
    )
    .option('--port <n>', 'port to listen on; 0 picks a free one', parseWholeNumber(0, 65_535), 3211)
    .addOption(
      new Option('--tier <tier>', 'plan that sets balance and limits')
        .choices(['free', 'starter', 'pro'])
        .default('pro'),
    )
    .option('--credits <n>', "balance at the start (default: the tier's)", parseWholeNumber(0, MANY))
    .option('--per-minute <n>', "calls a minute (default: the tier's)", parseWholeNumber(1, MANY))
    .option('--latency <ms>', 'response time in milliseconds', parseWholeNumber(0, LONGEST_LATENCY_MS), 150)
    .option('--json', 'print its addresses as one JSON document on stdout')
    .action((options: SimulateOptions) => act((cli) => simulate(cli, options)))
  addExamples(command, 'trackyard-batch simulate --credits 1000 --per-minute 60')
  command.addHelpText('after', CONTROLS_HELP)
}

const CONTROLS_HELP = `
Controls, below the printed address that ends in /__simulator; braces are a JSON body:
${controlLines()
  .map((line) => `  ${line}`)
  .join('\n')}
match: part of a query, or "/…/i". does: {"status":500}, or one of these words:
  ${FAULT_KINDS.join(', ')}`

async function simulate(cli: Cli, options: SimulateOptions): Promise<ExitCode> {
  const { startSimulator } = await import('../../simulator/simulator.js')
  const { SIMULATOR_KEY } = await import('../../simulator/options.js')
  const { credits, perMinute, latency, port, tier } = options
  const { signal, dispose } = cli.io.interruptSignal()
  try {
    const simulator = await startSimulator({
      port,
      tier,
      latencyMs: latency,
      keys: [SIMULATOR_KEY],
      ...(credits === undefined ? {} : { credits }),
      ...(perMinute === undefined ? {} : { perMinute }),
    }).catch((error: unknown) => {
      throw cannotListen(error, port) ?? error
    })
    cli.emit('simulate', { api_url: simulator.url, api_key: SIMULATOR_KEY, control_url: simulator.controlUrl })
    cli.print(
      [
        'The simulated API runs until Ctrl-C. Paste these lines into every other terminal, also that of the worker:',
        '',
        `  export TRACKYARD_API_URL=${simulator.url}`,
        `  export TRACKYARD_API_KEY=${SIMULATOR_KEY}`,
        '  export TRACKYARD_DATA_DIR="$HOME/trackyard-rehearsal"',
        '',
        'The last line keeps made-up answers out of your real store. To top up the account, inject a fault and clear it',
        '(`trackyard-batch simulate --help` lists all controls):',
        '',
        `  curl -X POST ${simulator.controlUrl}/top-up -d '{"credits":1000}'`,
        `  curl -X POST ${simulator.controlUrl}/fault -d '{"match":"night","does":{"status":500}}'`,
        `  curl -X POST ${simulator.controlUrl}/clear-fault`,
      ].join('\n'),
    )
    if (!signal.aborted) await once(signal, 'abort')
    await simulator.close()
    return 0
  } finally {
    dispose()
  }
}

function cannotListen(error: unknown, port: number): UsageError | null {
  switch (errorCode(error)) {
    case 'EADDRINUSE':
      return new UsageError(`Port ${port} is in use. Choose another with --port.`)
    case 'EACCES':
      return new UsageError(`This user may not open port ${port}. Choose one above 1023 with --port.`)
    default:
      return null
  }
}
