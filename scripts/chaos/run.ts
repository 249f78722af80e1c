import { setTimeout as sleep } from 'node:timers/promises'
import { OPEN_CALL_MARGIN_MS } from '../../src/processing/process-search.js'
import { openStore } from '../../src/store/open-store.js'
import { type Counters, emptyCounters } from './counters.js'
import type { EngineName } from './database.js'
import { CONCURRENCY, openEnvironment, REQUEST_TIMEOUT_MS } from './environment.js'
import { type Evidence, gather } from './evidence.js'
import { execute, type Scene } from './execute.js'
import { describeStep, type Plan, WORKERS } from './plan.js'
import { openVictim, serverPids } from './private-redis.js'
import { mend, settle } from './settle.js'
import type { Span } from './span.js'
import { openWorkers, type Workers } from './workers.js'

/** One run: break things by the plan, mend them, let the workers finish, gather what the witnesses say, end everything. */
export interface RunOptions {
  readonly plan: Plan
  readonly store: EngineName
  /** Aborted: everything is ended at once, and the run throws the signal's reason. */
  readonly signal: AbortSignal
  /** An action is begun. */
  readonly onStep: (line: string) => void
  readonly onProgress: (line: string) => void
}

export interface Run {
  readonly counters: Counters
  readonly evidence: Evidence
  readonly dir: string
  /** Removes what the run left on the disk. */
  forget(): Promise<void>
}

const STARTS_WITHIN_MS = 60_000
const SETTLES_WITHIN_MS = 240_000
const PROGRESS_EVERY_MS = 500

export async function run(options: RunOptions): Promise<Run> {
  const { plan } = options
  const environment = await openEnvironment(plan.seed, options.store)
  const workers = openWorkers(environment, WORKERS)
  const counters = emptyCounters()
  const pauses: Span[] = []
  let gathered: Awaited<ReturnType<typeof finish>> | null = null
  try {
    const healing = new AbortController()
    // The first command makes the data directory.
    await environment.command(['status'])
    const redis = await openVictim(environment.dataDir)
    const scene: Scene = {
      plan,
      environment,
      workers,
      counters,
      redis,
      released: new Map(),
      pauses,
      resumes: [],
      healing: healing.signal,
    }
    workers.startAll()
    await allStarted(workers, options.signal)
    await breakThings(scene, options, healing)
    gathered = await finish(scene, options)
  } finally {
    await workers.close()
    await environment.close()
    if (gathered === null) await environment.forget()
  }
  const pids = [...workers.pids, ...(await serverPids(environment.dataDir))]
  return {
    counters,
    dir: environment.dir,
    forget: environment.forget,
    evidence: {
      ...gathered,
      workerViolations: workers.workerViolations,
      leftBehind: pids.filter(lives).map((pid) => `process ${pid}`),
      kills: workers.kills,
      freezes: workers.freezes,
      pauses,
      requestTimeoutMs: REQUEST_TIMEOUT_MS,
      concurrency: CONCURRENCY,
      callMaxAgeMs: REQUEST_TIMEOUT_MS + OPEN_CALL_MARGIN_MS,
    },
  }
}

/** @throws Error where the program cannot run at all: there is nothing to break */
async function allStarted(workers: Workers, signal: AbortSignal): Promise<void> {
  const deadline = performance.now() + STARTS_WITHIN_MS
  while (workers.running() < WORKERS) {
    if (performance.now() > deadline || workers.workerViolations.length > 0) {
      throw new Error(
        `The workers did not start: ${workers.workerViolations[0] ?? `${workers.running()} of ${WORKERS} run`}`,
      )
    }
    await sleep(100, undefined, { signal })
  }
}

async function breakThings(scene: Scene, options: RunOptions, healing: AbortController): Promise<void> {
  const startedAt = performance.now()
  const under = new Set<Promise<void>>()
  const watch = setInterval(() => options.onProgress(progress(scene)), PROGRESS_EVERY_MS)
  const untilMs = (atMs: number): Promise<void> =>
    sleep(Math.max(0, atMs - (performance.now() - startedAt)), undefined, { signal: options.signal })
  try {
    for (const step of scene.plan.steps) {
      await untilMs(step.atMs)
      options.onStep(describeStep(step))
      const done = execute(scene, step.action).finally(() => under.delete(done))
      under.add(done)
    }
    await untilMs(scene.plan.lastsMs)
  } finally {
    clearInterval(watch)
    healing.abort()
  }
  await Promise.all(under)
}

async function finish(
  scene: Scene,
  options: RunOptions,
): Promise<Awaited<ReturnType<typeof gather>> & Pick<Evidence, 'unsettled'>> {
  options.signal.throwIfAborted()
  await mend(scene)
  const store = await openStore({ ...scene.environment.store, readOnly: true })
  try {
    const unsettled = await settle(scene, store, {
      withinMs: SETTLES_WITHIN_MS,
      signal: options.signal,
      onLook: (still) => options.onProgress(`mended; ${still.slice(0, 3).join('; ')}`),
    })
    return { ...(await gather(scene)), unsettled }
  } finally {
    await store.close()
  }
}

function progress({ counters, environment, workers }: Scene): string {
  const { calls, paid } = environment.simulator.summary()
  return `${counters.kills} kills, ${counters.freezes} freezes, ${counters.redisKills} Redis kills, ${counters.flushes} flushes; ${calls} calls, ${paid} paid; ${workers.running()} workers run`
}

function lives(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}
