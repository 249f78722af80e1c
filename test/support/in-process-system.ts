import { randomUUID } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from '@jest/globals'
import { type Api, openApi } from '../../src/api/client.js'
import { createCleanup } from '../../src/app/cleanup.js'
import { HOST_PREFIX } from '../../src/app/healthy.js'
import type { Service } from '../../src/app/service.js'
import { runWorker } from '../../src/app/worker.js'
import { loadBatch } from '../../src/batches/load-batch.js'
import { status } from '../../src/batches/status.js'
import type { StatusReport } from '../../src/batches/status-report.js'
import { loadSettings } from '../../src/config/load-settings.js'
import type { Settings } from '../../src/config/settings.js'
import { bindStoreToApi } from '../../src/control/same-api.js'
import { systemClock } from '../../src/domain/clock.js'
import { canonicalRequest, fingerprint } from '../../src/domain/request.js'
import type { SearchRef } from '../../src/domain/search-id.js'
import type { Priority } from '../../src/domain/states.js'
import { openSearchQueue, type SearchQueue } from '../../src/queue/search-queue.js'
import { SIMULATOR_KEY, type SimulatorOptions } from '../../src/simulator/options.js'
import { type Simulator, startSimulator } from '../../src/simulator/simulator.js'
import { openStore } from '../../src/store/open-store.js'
import type { Store } from '../../src/store/store.js'
import { type RecordingLogger, recordingLogger } from './recording-logger.js'
import { startRedis, type TestRedis } from './redis.js'

/**
 * The real parts in one process: a store in a temporary directory, a Redis, the simulator as the API, and
 * workers that share them, each with connections of its own. What is borrowed is closed at the end, in reverse.
 */
export interface InProcessSystem {
  readonly simulator: Simulator
  readonly redis: TestRedis
  readonly store: Store
  readonly queue: SearchQueue
  readonly api: Api
  readonly dataDir: string
  readonly log: RecordingLogger
  readonly now: () => number
  settings(env?: Readonly<Record<string, string>>): Settings
  /** Loads and releases one search per query. */
  submit(queries: readonly string[], options?: SubmitOptions): Promise<number>
  worker(env?: Readonly<Record<string, string>>): Promise<Service>
  status(env?: Readonly<Record<string, string>>): Promise<StatusReport>
  /** Another opening of the same record and delivery, as another process has it. */
  another(): Promise<{ readonly store: Store; readonly queue: SearchQueue }>
  close(): Promise<void>
}

export interface SubmitOptions {
  readonly name?: string
  readonly maxCredits?: number
  readonly first?: number
  readonly priority?: Priority
}

const BASE = {
  TRACKYARD_API_KEY: SIMULATOR_KEY,
  TRACKYARD_RATE_LIMIT: '60000',
  TRACKYARD_BACKOFF_BASE_MS: '20',
  TRACKYARD_BACKOFF_MAX_MS: '100',
  TRACKYARD_CREDIT_CHECK_MS: '60000',
}

export interface InProcessOptions {
  readonly simulator?: Partial<SimulatorOptions>
  readonly env?: Readonly<Record<string, string>>
}

/**
 * A test on a system of its own, beside others of its file: they mostly wait. Between two tests of a file Jest refuses
 * a dynamic import, so what runs here must have none.
 */
export function inProcessTest(
  claim: string,
  options: InProcessOptions,
  play: (system: InProcessSystem) => Promise<void>,
): void {
  test.concurrent(claim, () => withInProcess(options, play), 240_000)
}

/** A system that is closed at the end of `play`. */
export async function withInProcess(
  options: InProcessOptions,
  play: (system: InProcessSystem) => Promise<void>,
): Promise<void> {
  const system = await startInProcess(options)
  try {
    await play(system)
  } finally {
    await system.close()
  }
}

export async function startInProcess(options: InProcessOptions = {}): Promise<InProcessSystem> {
  const cleanup = createCleanup()
  const dataDir = await mkdtemp(join(tmpdir(), 'workers-'))
  cleanup.add(() => rm(dataDir, { recursive: true, force: true, maxRetries: 5 }))
  const redis = await startRedis()
  cleanup.add(() => redis.stop())
  const simulator = await startSimulator({ perMinute: null, credits: 1_000_000, noMatchRate: 0, ...options.simulator })
  cleanup.add(() => simulator.close())
  const log = recordingLogger()

  async function another(): Promise<{ store: Store; queue: SearchQueue }> {
    const store = await openStore({ path: join(dataDir, 'trackyard.db') })
    cleanup.add(() => store.close())
    const queue = await openSearchQueue({ connection: { socketPath: redis.socketPath }, log, patienceMs: 30_000 })
    cleanup.add(() => queue.close())
    return { store, queue }
  }
  function apiOf(settings: Settings): Api {
    const api = openApi({
      baseUrl: simulator.url,
      apiKey: settings.apiKey?.reveal() ?? '',
      timeoutMs: settings.requestTimeoutMs,
      proxy: null,
      userAgent: 'test',
      clock: systemClock,
    })
    cleanup.add(() => api.close())
    return api
  }
  const settings = (env: Readonly<Record<string, string>> = {}) =>
    loadSettings({ ...BASE, TRACKYARD_API_URL: simulator.url, TRACKYARD_DATA_DIR: dataDir, ...options.env, ...env })
  const { store, queue } = await another()
  const { now } = systemClock

  return {
    simulator,
    redis,
    store,
    queue,
    api: apiOf(settings()),
    dataDir,
    log,
    now,
    settings,
    another,
    async submit(queries, { name = 'night', maxCredits, first, priority = 'normal' } = {}) {
      const batch = await loadBatch({ store, log, now }, batchNamed(name, priority), rowsOf(queries))
      await batch.release({ maxCredits: maxCredits ?? null, first: first ?? null }, { notBefore: null, deadline: null })
      return batch.id
    },
    async worker(env) {
      const own = createCleanup()
      const all = settings(env)
      const parts = { settings: all, log, api: apiOf(all), clock: systemClock, ...(await another()) }
      await bindStoreToApi({ store: parts.store, apiUrl: all.apiUrl })
      const running = await runWorker({ ...parts, workerId: HOST_PREFIX + randomUUID() }, own)
      cleanup.add(() => running.stop())
      return running
    },
    status: (env) => status({ store, queue, now, settings: settings(env) }, { limit: 20 }),
    close: () => cleanup.runAll(),
  }
}

export function batchNamed(name: string, priority: Priority = 'normal') {
  return {
    name,
    catalogPath: null,
    format: 'jsonl',
    delimiter: null,
    byteOrderMark: false,
    quoting: 'csv',
    preamble: '',
    columns: [],
    template: null,
    rowOptions: {},
    continues: null,
    priority,
    maxAgeMs: null,
  } as const
}

export async function* rowsOf(queries: readonly string[]) {
  for (const [index, query] of queries.entries()) {
    const request = canonicalRequest({ query })
    yield {
      position: index + 1,
      line: index + 1,
      key: `r${index + 1}`,
      row: JSON.stringify({ query }),
      request: { fingerprint: fingerprint(request), request },
      problem: null,
    }
  }
}

export function refOf(query: string, round = 1): SearchRef {
  return { fingerprint: fingerprint(canonicalRequest({ query })), generation: 1, round }
}

export function queries(count: number, word = 'scene'): readonly string[] {
  return Array.from({ length: count }, (_, index) => `${word} ${index + 1}`)
}
