import { once } from 'node:events'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { interruptSignal } from '../src/app/process.js'
import { SIMULATOR_KEY } from '../src/simulator/options.js'
import { type Simulator, startSimulator } from '../src/simulator/simulator.js'
import type { LogLine } from './log-line.js'
import { exitCodeOf, ROOT, type Service, startCommand, startService } from './program.js'
import { withoutSettings } from './without-settings.js'

/**
 * Shows the main job in half a minute, without key or network: the simulator stands in for the API, a worker and the
 * board run as processes on a private Redis, and the real commands process a sample catalog. The simulator answers with
 * a 429, a 500, a 400 and an empty account; the worker's log shows how each is handled. At the end every process is
 * stopped, and only the tagged catalog is left.
 */

const CATALOG = join('scripts', 'sample-catalog.csv')
const OUT = join('demo-output', 'sample-catalog.tagged.csv')
const QUERY = '{title} {mood} music'
/** Fewer than the sample needs, so that the account runs empty and is topped up. */
const CREDITS_AT_FIRST = 180
const TOP_UP = 500

async function main(): Promise<void> {
  const dir = await mkdtemp(join(tmpdir(), 'trackyard-demo-'))
  const simulator = await startSimulator({
    tier: 'pro',
    perMinute: null,
    credits: CREDITS_AT_FIRST,
    latencyMs: [40, 160],
    faults: [
      { match: 'Harbour at Dawn', times: 1, does: { status: 429, headers: { 'retry-after': '2' } } },
      { match: 'Café Zürich', times: 1, does: { status: 500 } },
      { match: 'Winter Market', does: { status: 400 } },
    ],
  })
  const env = {
    ...withoutSettings(process.env),
    TRACKYARD_API_URL: simulator.url,
    TRACKYARD_API_KEY: SIMULATOR_KEY,
    TRACKYARD_DATA_DIR: dir,
    TRACKYARD_BOARD_PORT: '0',
    TRACKYARD_RATE_LIMIT: '6000',
    TRACKYARD_BACKOFF_BASE_MS: '1000',
    TRACKYARD_CREDIT_CHECK_MS: '1000',
    TRACKYARD_CONFIRM_ABOVE: '1000',
    TRACKYARD_LOG_LEVEL: 'info',
  }
  const services: Service[] = []
  const interrupted = interruptSignal()
  const command = async (...args: string[]): Promise<number> => {
    interrupted.signal.throwIfAborted()
    say(`\n$ trackyard-batch ${args.map(quoted).join(' ')}`)
    return (await exitCodeOf(startCommand(args.map(inRoot), { cwd: dir, env, stdio: 'inherit' }))) ?? 1
  }
  const start = (name: 'worker' | 'board', listen: (line: LogLine) => void): Service => {
    const service = startService(name, { cwd: dir, env, detached: true }, (line, text) => {
      if (line === null) say(text)
      else listen(line)
    })
    services.push(service)
    return service
  }
  try {
    say('Starting a worker and the board; the simulator stands in for the API. Nothing here costs a credit.')
    const worker = start('worker', explain(simulator))
    start('board', announceBoard)
    await Promise.race([worker.started, once(interrupted.signal, 'abort')])
    const submitted = await command('submit', CATALOG, '--query', QUERY, '--wait', '--allow-failures')
    if (submitted !== 0) throw new Error(`submit ended with exit code ${submitted}`)
    await command('dead-letters')
    await mkdir(join(ROOT, 'demo-output'), { recursive: true })
    await command('export', '--out', OUT)
    await command('status')
    const { calls, paid, paidTwice } = simulator.summary()
    const twice = paidTwice.length === 0 ? 'none of them twice' : `${paidTwice.length} searches twice`
    say(`\nThe API saw ${calls} calls and charged ${paid} credits, ${twice}.`)
    say(`The tagged catalog: ${relative(process.cwd(), join(ROOT, OUT))}`)
  } finally {
    interrupted.dispose()
    await Promise.all(services.map((service) => service.stop()))
    await exitCodeOf(startCommand(['down'], { cwd: dir, env, stdio: 'ignore' }))
    await simulator.close()
    await rm(dir, { recursive: true, force: true })
  }
}

/** The demo prints its two files relative to the project; its commands run in another directory. */
function inRoot(word: string): string {
  return word === CATALOG || word === OUT ? join(ROOT, word) : word
}

/** Prints a line of the worker's log for each failure. Tops up the account when it is empty. */
function explain(simulator: Simulator): (line: LogLine) => void {
  let toppedUp = false
  let lastSaid = ''
  return ({ event, decision, level, msg, query }) => {
    const about = query === undefined ? '' : `"${query}": `
    // Ten calls in flight may be refused for the same reason; say it once.
    if ((level !== 'info' || event === 'queue.resumed') && msg !== lastSaid) say(`  worker: ${about}${msg}`)
    lastSaid = msg
    // In the demo only a 402 pauses the queue.
    if (toppedUp || decision !== 'pause') return
    toppedUp = true
    setTimeout(() => {
      simulator.topUp(TOP_UP)
      say(`  (topping up ${TOP_UP} credits; this worker checks the balance every second, by default every minute)`)
    }, 1500)
  }
}

function announceBoard({ event, msg }: LogLine): void {
  if (event === 'board.started') say(`  board: ${msg}`)
}

function quoted(word: string): string {
  return /^[\w./-]+$/.test(word) ? word : `"${word}"`
}

/** Clears the line first, which may show a progress bar. */
function say(text: string): void {
  process.stderr.write(`${process.stderr.isTTY ? '\r\x1b[K' : ''}${text}\n`)
}

try {
  await main()
} catch (error) {
  say(error instanceof Error ? error.message : String(error))
  process.exitCode = 1
}
