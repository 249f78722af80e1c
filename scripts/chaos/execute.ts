import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type ChaosBatch, catalogText, TEMPLATE } from './batches.js'
import type { Counters } from './counters.js'
import { PLENTY_OF_CREDITS, type RunEnvironment } from './environment.js'
import type { Action, Plan } from './plan.js'
import type { RedisControl } from './private-redis.js'
import type { Span } from './span.js'
import type { Workers } from './workers.js'

/** What the actions of a run share. They use what users have: signals, commands, Bull Board's own calls. */
export interface RunContext {
  readonly plan: Plan
  readonly environment: RunEnvironment
  readonly workers: Workers
  readonly redis: RedisControl
  readonly counters: Counters
  /** The ids of the released batches by their names. */
  readonly released: Map<string, number>
  /** From the end of each `pause` to the start of the next `resume`, whichever action runs it. */
  readonly pauses: Span[]
  /** Each `resume` command, from start to end. */
  readonly resumes: Span[]
  /** Aborted when the time is up: pauses, faults and freezes end at once. */
  readonly healing: AbortSignal
}

const SUBMIT_TRIES = 15
/** A restart of PostgreSQL or Redis takes a while, on a busy machine seconds. */
const TRY_AGAIN_AFTER_MS = 1000

/** Resolves when the action and its reversal (such as the end of a pause) are done. */
export async function executeAction(context: RunContext, action: Action): Promise<void> {
  const { environment, workers, redis, counters } = context
  const done = (what: keyof Counters, times: number | boolean): void => {
    counters[what] += Number(times)
  }
  switch (action.do) {
    case 'kill worker': {
      const { open } = environment.simulator.summary()
      const killed = workers.kill(action.slot, action.backAfterMs)
      if (killed) counters.openAtKills += open
      return done('kills', killed)
    }
    case 'stop worker':
      return done('stops', workers.stop(action.slot, action.backAfterMs))
    case 'freeze worker':
      return done('freezes', workers.freeze(action.slot, action.forMs))
    case 'kill redis':
      return done('redisKills', await redis.signal('SIGKILL'))
    case 'restart redis':
      return done('redisRestarts', await redis.signal('SIGTERM'))
    case 'flush redis':
      return done('flushes', await redis.flush())
    case 'restart postgres':
      await environment.postgres?.restart('fast')
      return done('postgresRestarts', true)
    case 'kill postgres':
      await environment.postgres?.restart('immediate')
      return done('postgresKills', true)
    case 'terminate connections':
      await environment.postgres?.terminate()
      return done('terminations', true)
    case 'freeze postgres':
      await environment.postgres?.freeze(() => until(action.forMs, context.healing))
      return done('postgresFreezes', true)
    case 'remove jobs': {
      const removed = (await redis.withQueue((queue) => removeJobs(queue.boardQueues.search, action.count))) ?? 0
      return done('jobsRemoved', removed)
    }
    case 'fault': {
      const id = environment.simulator.fail(action.rule)
      done('faults', true)
      await until(action.forMs, context.healing)
      environment.simulator.clearFault(id)
      return
    }
    case 'empty the account':
      environment.simulator.setCredits(action.left)
      done('emptied', true)
      await until(action.forMs, context.healing)
      environment.simulator.setCredits(PLENTY_OF_CREDITS)
      return
    case 'pause': {
      const startedAt = Date.now()
      const isPaused = (await environment.command(['pause', '--reason', 'chaos'])).code === 0
      done('pauses', isPaused)
      // If a resume ran at the same time, it is not known which of the two came last.
      const isSure = isPaused && context.resumes.every(({ to }) => to < startedAt)
      if (isSure) context.pauses.push({ from: Date.now(), to: Number.POSITIVE_INFINITY })
      await until(action.forMs, context.healing)
      return resume(context)
    }
    case 'resume':
      return resume(context)
    case 'retry dead letters': {
      if (action.by === 'board') {
        const pressed = (await redis.withQueue((queue) => pressRetry(queue.boardQueues.deadLetters))) ?? 0
        return done('retriedOnBoard', pressed)
      }
      const { stdout } = await environment.command(['dead-letters', 'retry', '--all', '--yes', '--json'])
      return done('retried', numberIn(stdout, 'retried') ?? 0)
    }
    case 'submit':
      return submit(context, action.batch)
    case 'release':
      return commandOn(context, action.batch, (id) => ['release', id, '--all', '--yes'])
    case 'cancel':
      return commandOn(context, action.batch, (id) => ['cancel', id])
    default:
      return action satisfies never
  }
}

/** Ends every pause, including those of other actions. */
export async function resume({
  environment,
  pauses,
  resumes,
}: Pick<RunContext, 'environment' | 'pauses' | 'resumes'>): Promise<void> {
  const startedAt = Date.now()
  for (const [index, { from, to }] of pauses.entries()) pauses[index] = { from, to: Math.min(to, startedAt) }
  const index = resumes.push({ from: startedAt, to: Number.POSITIVE_INFINITY }) - 1
  await environment.command(['resume'])
  resumes[index] = { from: startedAt, to: Date.now() }
}

/** Submits a batch of the plan. Tries again if the command fails, for example because the store is away. */
async function submit({ plan, environment, released }: RunContext, name: string): Promise<void> {
  const batch = plan.batches.find((each) => each.name === name)
  if (batch === undefined) return
  const file = join(environment.dir, `${name}.csv`)
  await writeFile(file, catalogText(batch))
  for (let tries = 0; tries < SUBMIT_TRIES; tries += 1) {
    const finished = await environment.command(submitArguments(batch, file))
    const id = numberIn(finished.stdout, 'batch')
    if (id !== null) {
      released.set(name, id)
      return
    }
    await sleep(TRY_AGAIN_AFTER_MS)
  }
}

function submitArguments(batch: ChaosBatch, file: string): readonly string[] {
  return ['submit', file, '--query', TEMPLATE, '--name', batch.name, '--yes', '--json', ...batch.options]
}

async function commandOn(context: RunContext, batch: string, words: (id: string) => readonly string[]): Promise<void> {
  const id = context.released.get(batch)
  if (id !== undefined) await context.environment.command(words(String(id)))
}

interface BoardQueue {
  getJobs(states: 'prioritized'[] | 'failed'[], from: number, to: number): Promise<(BoardJob | undefined)[]>
}

interface BoardJob {
  remove(): Promise<void>
  retry(state: 'failed'): Promise<void>
}

/** Does what Bull Board's *Retry* does, for up to 50 dead letters. */
async function pressRetry(letters: BoardQueue): Promise<number> {
  return each(await letters.getJobs(['failed'], 0, 49), (job) => job.retry('failed'))
}

/** Does what Bull Board's *Clean* does to a job. */
async function removeJobs(searches: BoardQueue, count: number): Promise<number> {
  return each(await searches.getJobs(['prioritized'], 0, count - 1), (job) => job.remove())
}

async function each(jobs: readonly (BoardJob | undefined)[], press: (job: BoardJob) => Promise<void>): Promise<number> {
  const pressed = await Promise.allSettled(jobs.map((job) => (job === undefined ? Promise.reject() : press(job))))
  return pressed.filter(({ status }) => status === 'fulfilled').length
}

function until(ms: number, signal: AbortSignal): Promise<void> {
  return sleep(ms, undefined, { signal }).catch(() => {})
}

/** A number in the JSON document that a command printed; null if it printed none. */
function numberIn(json: string, name: string): number | null {
  try {
    const value: unknown = JSON.parse(json)[name]
    return typeof value === 'number' ? value : null
  } catch {
    return null
  }
}
