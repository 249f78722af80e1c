import type { ChildProcess } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { run } from '../../src/cli/main.js'
import { NEVER_ABORTED } from '../../src/domain/abortable.js'
import { SIMULATOR_KEY } from '../../src/simulator/options.js'
import { type Simulator, startSimulator } from '../../src/simulator/simulator.js'
import type { OpenOptions } from '../../src/store/open-store.js'
import { exitCodeOf, startCommand, textOf } from '../program.js'
import { startSharedServers } from '../shared-servers.js'
import { REFUSED_WORD } from './batches.js'
import { DATABASE, type EngineName, type PostgresControl, postgresControl } from './database.js'

/** A directory of the run's own, the simulator as API, the built commands, and settings with short times. */
export interface RunEnvironment {
  readonly dir: string
  readonly dataDir: string
  readonly store: Pick<OpenOptions, 'path' | 'database'>
  /** Null: the store is a file. */
  readonly postgres: PostgresControl | null
  readonly simulator: Simulator
  readonly env: Readonly<Record<string, string>>
  /** For the worker in that slot. With PostgreSQL each has a data directory of its own. */
  envOf(slot: number): Readonly<Record<string, string>>
  /** Runs one command of the built program to its end, or kills it after a minute. */
  command(args: readonly string[]): Promise<Finished>
  /** Runs a command inside this process, which is cheaper than starting one. Only while no fault is active. */
  commandHere(args: readonly string[]): Promise<number>
  /** Kills every running command and stops all servers. The workers must have ended before. */
  close(): Promise<void>
  /** Removes the directory. */
  remove(): Promise<void>
}

export interface Finished {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

export const CONCURRENCY = 6
export const REQUEST_TIMEOUT_MS = 1000
/** The settings require at least two seconds more than the request timeout. */
const LOCK_MS = 3100
/** Each worker process gets its own key of the one account, so the simulator's log tells which worker called. */
const KEYS = 50_000
export const keyOf = (worker: number): string => `${SIMULATOR_KEY}-${worker}`
/** The simulator's log names the keys `key-1`, `key-2`, … */
export const workerOf = (keyId: string): number => Number(keyId.replace('key-', ''))
export const PLENTY_OF_CREDITS = 1_000_000
const COMMAND_TIMEOUT_MS = 60_000

export async function openEnvironment(seed: number, engine: EngineName): Promise<RunEnvironment> {
  const dir = await mkdtemp(join(tmpdir(), 'chaos-'))
  const dataDir = join(dir, 'data')
  const simulator = await startSimulator({
    seed,
    tier: 'pro',
    perMinute: null,
    keys: [...Array.from({ length: KEYS }, (_, index) => keyOf(index + 1)), SIMULATOR_KEY],
    credits: PLENTY_OF_CREDITS,
    latencyMs: [50, 800],
    // The API does not document this; the worst case is that a call that hangs or is cut off costs a credit too.
    chargeRule: 'once started',
    tracksPerAnswer: 3,
    faults: [{ id: 'refused', match: REFUSED_WORD, does: { status: 400 } }],
  })
  const servers = engine === 'sqlite' ? null : await startSharedServers(dataDir, DATABASE)
  const env = {
    PATH: process.env.PATH ?? '',
    HOME: dir,
    TZ: 'UTC',
    TRACKYARD_API_URL: simulator.url,
    TRACKYARD_API_KEY: SIMULATOR_KEY,
    TRACKYARD_DATA_DIR: dataDir,
    TRACKYARD_CONCURRENCY: String(CONCURRENCY),
    TRACKYARD_RATE_LIMIT: '2400',
    TRACKYARD_REQUEST_TIMEOUT_MS: String(REQUEST_TIMEOUT_MS),
    TRACKYARD_MAX_ATTEMPTS: '4',
    TRACKYARD_BACKOFF_BASE_MS: '100',
    TRACKYARD_BACKOFF_MAX_MS: '1000',
    TRACKYARD_CREDIT_CHECK_MS: '500',
    TRACKYARD_LOCK_DURATION_MS: String(LOCK_MS),
    TRACKYARD_STALLED_INTERVAL_MS: '1000',
    TRACKYARD_SHUTDOWN_GRACE_MS: '3000',
    ...servers?.settings,
  }
  const commands = new Set<ChildProcess>()
  let closing = false

  async function command(args: readonly string[]): Promise<Finished> {
    return closing ? { code: null, stdout: '', stderr: '' } : finished(args)
  }

  async function finished(args: readonly string[]): Promise<Finished> {
    const child = startCommand(args, {
      cwd: dir,
      env,
      // Ctrl-C in the terminal reaches only the script.
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: COMMAND_TIMEOUT_MS,
      killSignal: 'SIGKILL',
    })
    commands.add(child)
    const [stdout, stderr] = [textOf(child.stdout), textOf(child.stderr)]
    const code = await exitCodeOf(child)
    commands.delete(child)
    return { code, stdout: stdout(), stderr: stderr() }
  }

  return {
    dir,
    dataDir,
    store: {
      path: join(dataDir, 'trackyard.db'),
      database: servers === null ? undefined : { url: servers.databaseUrl, ca: null },
    },
    postgres: servers === null ? null : postgresControl(servers.server),
    simulator,
    env,
    envOf: (slot) => (servers === null ? env : { ...env, TRACKYARD_DATA_DIR: join(dir, `machine-${slot + 1}`) }),
    command,
    commandHere(args) {
      const [stdin, stdout, stderr] = [new PassThrough().end(), new PassThrough().resume(), new PassThrough().resume()]
      const interruptSignal = () => ({ signal: NEVER_ABORTED, dispose: () => {} })
      return run(args, { stdin, stdout, stderr, env, cwd: dir, interruptSignal })
    },
    async close() {
      closing = true
      // A running submit would start Redis again after `down`.
      for (const child of commands) child.kill('SIGKILL')
      while (commands.size > 0) await sleep(20)
      await finished(['down'])
      await servers?.close()
      await simulator.close()
    },
    remove: () => rm(dir, { recursive: true, force: true, maxRetries: 3 }),
  }
}
