import { setTimeout as sleep } from 'node:timers/promises'
import { openCallMaxAgeMs } from '../../src/processing/process-search.js'
import { isProcessAlive } from '../../src/queue/private-redis/server-files.js'
import { openStore } from '../../src/store/open-store.js'
import { type Counters, emptyCounters } from './counters.js'
import type { EngineName } from './database.js'
import { CONCURRENCY, openEnvironment, REQUEST_TIMEOUT_MS } from './environment.js'
import { type Evidence, gatherEvidence } from './evidence.js'
import { executeAction, type RunContext } from './execute.js'
import { describeStep, type Plan, WORKERS } from './plan.js'
import { redisControl, serverPids } from './private-redis.js'
import { heal, waitUntilSettled } from './settle.js'
import type { Span } from './span.js'
import { openWorkers, type Workers } from './workers.js'

/**
 * One run: execute the plan, end all faults, let the workers finish, gather the evidence, stop everything.
 */

export interface RunOptions {
  readonly plan: Plan
  readonly store: EngineName
  /** When aborted, the run stops everything at once and throws the signal's reason. */
  readonly signal: AbortSignal
  /** Called when an action begins. */
  readonly onStep: (line: string) => void
  readonly onProgress: (line: string) => void
}

export interface Run {
  readonly counters: Counters
  readonly evidence: Evidence
  readonly dir: string
  /** Removes the directory of the run. */
  remove(): Promise<void>
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
    // The first command creates the data directory.
    await environment.commandHere(['status'])
    const redis = await redisControl(environment.dataDir)
    const context: RunContext = {
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
    await executePlan(context, options, healing)
    gathered = await finish(context, options)
  } finally {
    await workers.close()
    await environment.close()
    if (gathered === null) await environment.remove()
  }
  const pids = [...workers.pids, ...(await serverPids(environment.dataDir))]
  return {
    counters,
    dir: environment.dir,
    remove: environment.remove,
    evidence: {
      ...gathered,
      workerViolations: workers.workerViolations,
      leftBehind: pids.filter(isProcessAlive).map((pid) => `process ${pid}`),
      kills: workers.kills,
      freezes: workers.freezes,
      pauses,
      requestTimeoutMs: REQUEST_TIMEOUT_MS,
      concurrency: CONCURRENCY,
      callMaxAgeMs: openCallMaxAgeMs(REQUEST_TIMEOUT_MS),
    },
  }
}

/** @throws Error if the workers cannot start at all */
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

async function executePlan(context: RunContext, options: RunOptions, healing: AbortController): Promise<void> {
  const startedAt = performance.now()
  const ongoing = new Set<Promise<void>>()
  const watch = setInterval(() => options.onProgress(progress(context)), PROGRESS_EVERY_MS)
  const untilMs = (atMs: number): Promise<void> =>
    sleep(Math.max(0, atMs - (performance.now() - startedAt)), undefined, { signal: options.signal })
  try {
    for (const step of context.plan.steps) {
      await untilMs(step.atMs)
      options.onStep(describeStep(step))
      const done = executeAction(context, step.action).finally(() => ongoing.delete(done))
      ongoing.add(done)
    }
    await untilMs(context.plan.lastsMs)
  } finally {
    clearInterval(watch)
    healing.abort()
  }
  await Promise.all(ongoing)
}

async function finish(
  context: RunContext,
  options: RunOptions,
): Promise<Awaited<ReturnType<typeof gatherEvidence>> & Pick<Evidence, 'unsettled'>> {
  options.signal.throwIfAborted()
  await heal(context)
  const store = await openStore(context.environment.store)
  try {
    const unsettled = await waitUntilSettled(context, store, {
      withinMs: SETTLES_WITHIN_MS,
      signal: options.signal,
      onLook: (still) => options.onProgress(`all faults ended; ${still.slice(0, 3).join('; ')}`),
    })
    return { ...(await gatherEvidence(context)), unsettled }
  } finally {
    await store.close()
  }
}

function progress({ counters, environment, workers }: RunContext): string {
  const { calls, paid } = environment.simulator.summary()
  return `${counters.kills} kills, ${counters.freezes} freezes, ${counters.redisKills} Redis kills, ${counters.flushes} flushes; ${calls} calls, ${paid} paid; ${workers.running()} workers run`
}
