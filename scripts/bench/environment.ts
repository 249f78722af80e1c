import { type ChildProcess, type StdioOptions, spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { silentLogger } from '../../src/domain/logger.js'
import { startOrConnectPrivateRedis } from '../../src/queue/private-redis/private-redis.js'
import { SIMULATOR_KEY } from '../../src/simulator/options.js'
import { exitCodeOf, ROOT, type Service, startCommand, startService, textOf } from '../program.js'
import { startSharedServers } from '../shared-servers.js'
import { type ProcessFacts, watchFacts } from './process-facts.js'

/**
 * Runs the built program as its users run it: commands and workers in processes of their own, with a private Redis
 * and a store in a temporary directory. `close` stops and removes everything.
 */
export interface RunEnvironment {
  readonly dir: string
  readonly dataDir: string
  /** Empty: the store is SQLite in the data directory. */
  readonly databaseUrl: string
  /** Runs one command to its end. @throws Error when it fails */
  cli(args: readonly string[]): Promise<Finished>
  /** Resolves when the worker takes searches. */
  startWorker(): Promise<Service>
  /** The socket of its Redis, which is started if it is not running. */
  redisSocket(): Promise<string>
  close(): Promise<void>
}

export interface Finished {
  readonly stdout: string
  readonly wallMs: number
  /** Time to the first byte on stdout; `wallMs` if there was none. */
  readonly firstOutputMs: number
  /** The last sample of its process; null where there is no /proc. */
  readonly facts: ProcessFacts | null
}

export async function openEnvironment(
  apiUrl: string,
  settings: Readonly<Record<string, string>> = {},
): Promise<RunEnvironment> {
  const dir = await mkdtemp(join(tmpdir(), 'bench-'))
  const dataDir = join(dir, 'data')
  const env = {
    PATH: process.env.PATH ?? '',
    HOME: dir,
    TZ: 'UTC',
    TRACKYARD_API_URL: apiUrl,
    TRACKYARD_API_KEY: SIMULATOR_KEY,
    TRACKYARD_DATA_DIR: dataDir,
    TRACKYARD_LOG_LEVEL: 'warn',
    ...settings,
  }
  const services = new Set<Service>()

  async function cli(args: readonly string[]): Promise<Finished> {
    const startedAt = performance.now()
    const child = startCommand(args, { cwd: dir, env, stdio: ['ignore', 'pipe', 'pipe'] })
    const facts = watchFacts(child.pid ?? 0)
    const [stdout, stderr] = [textOf(child.stdout), textOf(child.stderr)]
    let firstOutputMs: number | null = null
    child.stdout?.once('data', () => {
      firstOutputMs = performance.now() - startedAt
    })
    const code = await exitCodeOf(child)
    const wallMs = performance.now() - startedAt
    const seen = facts()
    if (code !== 0) throw new Error(`${args.join(' ')} ended with ${code}: ${stderr()}${stdout()}`)
    return { stdout: stdout(), wallMs, firstOutputMs: firstOutputMs ?? wallMs, facts: seen }
  }

  async function startWorker(): Promise<Service> {
    const service = startService('worker', { cwd: dir, env: { ...env, TRACKYARD_LOG_LEVEL: 'info' } })
    services.add(service)
    await service.started
    return service
  }

  return {
    dir,
    dataDir,
    databaseUrl: settings.TRACKYARD_DATABASE_URL ?? '',
    cli,
    startWorker,
    async redisSocket() {
      const { TRACKYARD_REDIS_URL: url } = settings
      if (url !== undefined) return new URL(url).pathname
      return (await startOrConnectPrivateRedis({ dataDir, log: silentLogger })).socketPath
    },
    async close() {
      await Promise.all([...services].map((service) => service.stop()))
      await cli(['down'])
      await rm(dir, { recursive: true, force: true })
    },
  }
}

export type StoreName = 'SQLite' | 'PostgreSQL'

/** Opens an environment for `work`, and closes it even if `work` fails. */
export async function withEnvironment<T>(
  apiUrl: string,
  settings: Readonly<Record<string, string>>,
  work: (environment: RunEnvironment) => Promise<T>,
  store: StoreName = 'SQLite',
): Promise<T> {
  return withStore(store, async (more) => {
    const environment = await openEnvironment(apiUrl, { ...settings, ...more })
    try {
      return await work(environment)
    } finally {
      await environment.close()
    }
  })
}

/** For PostgreSQL: starts a server that forces its commits to disk, and a Redis. SQLite needs neither. */
export async function withStore<T>(
  store: StoreName,
  work: (settings: Readonly<Record<string, string>>) => Promise<T>,
): Promise<T> {
  if (store === 'SQLite') return work({})
  const dir = await mkdtemp(join(tmpdir(), 'bench-'))
  const shared = await startSharedServers(dir, 'bench', { settings: { fsync: 'on', shared_buffers: '512MB' } })
  try {
    return await work(shared.settings)
  } finally {
    await shared.close()
    await rm(dir, { recursive: true, force: true })
  }
}

export interface StoreEnvironment {
  readonly store: StoreName
  readonly environment: RunEnvironment
}

/**
 * Opens an environment for each store at the same time, so that the stores can be measured in turns: other load on
 * the machine then slows all of them alike.
 */
export async function withEnvironments<T>(
  stores: readonly StoreName[],
  apiUrl: string,
  settings: Readonly<Record<string, string>>,
  work: (environments: readonly StoreEnvironment[]) => Promise<T>,
): Promise<T> {
  const [store, ...rest] = stores
  if (store === undefined) return work([])
  return withEnvironment(
    apiUrl,
    settings,
    (environment) => withEnvironments(rest, apiUrl, settings, (others) => work([{ store, environment }, ...others])),
    store,
  )
}

/** Starts the built bench as a helper process; see role.ts. */
export function startRole(words: readonly string[], stdio: StdioOptions): ChildProcess {
  return spawn(process.execPath, [join(ROOT, 'dist/scripts/bench.js'), ...words], { stdio })
}
