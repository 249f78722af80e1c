import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { chromium } from 'playwright-core'
import { SIMULATOR_KEY } from '../src/simulator/options.js'
import { startSimulator } from '../src/simulator/simulator.js'
import { exitCodeOf, ROOT, type Service, startCommand, startService } from './program.js'
import { withoutSettings } from './without-settings.js'

/**
 * Makes docs/overview.png, the picture in the README: a screenshot of the board after a quarter of an hour of work on
 * the demo's catalog, repeated several times, against the simulator, with a pause by hand. It is not edited.
 *
 *     npm run build && node dist/scripts/picture.js [MINUTES]
 */

const MINUTES = Number(process.argv[2] ?? 15)
const MINUTE_MS = 60_000
const ROUNDS = 20

const dir = await mkdtemp(join(tmpdir(), 'trackyard-picture-'))
const simulator = await startSimulator({
  tier: 'pro',
  perMinute: 300,
  credits: 4200,
  latencyMs: [200, 900],
  faults: [{ match: 'Winter Market', does: { status: 400 } }],
})
const env = {
  ...withoutSettings(process.env),
  TRACKYARD_API_URL: simulator.url,
  TRACKYARD_API_KEY: SIMULATOR_KEY,
  TRACKYARD_DATA_DIR: join(dir, 'data'),
  TRACKYARD_BOARD_PORT: '0',
  TRACKYARD_LOG_LEVEL: 'info',
}
const services: Service[] = []

async function start(name: 'worker' | 'board'): Promise<string> {
  const service = startService(name, { cwd: dir, env })
  services.push(service)
  return String((await service.started).url ?? '')
}

async function command(...args: string[]): Promise<void> {
  const code = await exitCodeOf(startCommand(args, { cwd: dir, env, stdio: ['ignore', 'ignore', 'inherit'] }))
  if (code !== 0) throw new Error(`${args.join(' ')} ended with exit code ${code}.`)
}

/** Writes the sample's rows several times. The column `round` makes the searches of each repetition different. */
async function catalog(name: string, rounds: number): Promise<string> {
  const [header = '', ...rows] = (await readFile(join(ROOT, 'scripts/sample-catalog.csv'), 'utf8')).trim().split('\n')
  const all = Array.from({ length: rounds }, (_, round) => rows.map((row) => row.replace(/^([^,]+),/, `$1-${round},`)))
  const path = join(dir, name)
  await writeFile(
    path,
    [`${header},round`, ...all.flatMap((each, round) => each.map((row) => `${row},${round}`))].join('\n'),
  )
  return path
}

try {
  const url = await start('board')
  await start('worker')
  const query = '{title} {mood} music {round}'
  await command('submit', await catalog('radio archive.csv', 2), '--query', query, '--yes')
  await command('submit', await catalog('spring catalog.csv', ROUNDS), '--query', query, '--yes')
  await sleep(MINUTES * 0.3 * MINUTE_MS)
  await command('pause', '--reason', 'new template')
  await sleep(MINUTES * 0.1 * MINUTE_MS)
  await command('resume')
  await sleep(MINUTES * 0.6 * MINUTE_MS)
  const browser = await chromium.launch({
    executablePath: '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-gpu'],
  })
  const page = await browser.newPage({ viewport: { width: 1200, height: 900 }, deviceScaleFactor: 2 })
  await page.goto(url)
  await page.screenshot({ path: join(ROOT, 'docs/overview.png'), fullPage: true })
  await browser.close()
} finally {
  await Promise.all(services.map((service) => service.stop()))
  await command('down').catch(() => {})
  await simulator.close()
  await rm(dir, { recursive: true, force: true })
}
