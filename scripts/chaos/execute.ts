import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type ChaosBatch, catalogText, TEMPLATE } from './batches.js'
import type { Counters } from './counters.js'
import { PLENTY_OF_CREDITS, type RunEnvironment } from './environment.js'
import type { Action, Plan } from './plan.js'
import type { Victim } from './private-redis.js'
import type { Span } from './span.js'
import type { Workers } from './workers.js'

/** Does what the plan says, by the means that users have: signals, commands, Bull Board's own calls. */
export interface Scene {
  readonly plan: Plan
  readonly environment: RunEnvironment
  readonly workers: Workers
  readonly redis: Victim
  readonly counters: Counters
  /** By name, as `submit` said: the ids of the batches that were released. */
  readonly released: Map<string, number>
  /** Closed by the next `resume`, whoever pressed it. */
  readonly pauses: Span[]
  /** The commands, from start to end. */
  readonly resumes: Span[]
  /** Once everything is healed nothing of what was begun may come undone: pauses and faults end there. */
  readonly healing: AbortSignal
}

const SUBMIT_TRIES = 5

/** Resolves when the action, and what ends it, is done. Never rejects. */
export async function execute(scene: Scene, action: Action): Promise<void> {
  const { environment, workers, redis, counters } = scene
  const done = (what: keyof Counters, happened: boolean, times = 1): void => {
    if (happened) counters[what] += times
    else counters.missed += 1
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
      await environment.postgres?.freeze(() => until(action.forMs, scene.healing))
      return done('postgresFreezes', true)
    case 'remove jobs': {
      const removed = (await redis.withQueue((queue) => removeJobs(queue.boardQueues.search, action.count))) ?? 0
      return done('jobsRemoved', removed > 0, removed)
    }
    case 'fault': {
      const id = environment.simulator.fail(action.rule)
      done('faults', true)
      await until(action.forMs, scene.healing)
      environment.simulator.clearFault(id)
      return
    }
    case 'empty the account':
      environment.simulator.setCredits(action.left)
      done('emptied', true)
      await until(action.forMs, scene.healing)
      environment.simulator.setCredits(PLENTY_OF_CREDITS)
      return
    case 'pause': {
      const startedAt = Date.now()
      const isPaused = (await environment.command(['pause', '--reason', 'chaos'])).code === 0
      done('pauses', isPaused)
      // Of a pause and a resume under way at the same time nobody knows which came last.
      const stands = isPaused && scene.resumes.every(({ to }) => to < startedAt)
      if (stands) scene.pauses.push({ from: Date.now(), to: Number.POSITIVE_INFINITY })
      await until(action.forMs, scene.healing)
      return resume(scene)
    }
    case 'resume':
      return resume(scene)
    case 'retry dead letters': {
      if (action.by === 'board') {
        const pressed = (await redis.withQueue((queue) => pressRetry(queue.boardQueues.deadLetters))) ?? 0
        return done('retriedOnBoard', pressed > 0, pressed)
      }
      const { stdout } = await environment.command(['dead-letters', 'retry', '--all', '--yes', '--json'])
      const retried = numberIn(stdout, 'retried') ?? 0
      return done('retried', retried > 0, retried)
    }
    case 'submit':
      return submit(scene, action.batch)
    case 'release':
      return commandOn(scene, action.batch, (id) => ['release', id, '--all', '--yes'])
    case 'cancel':
      return commandOn(scene, action.batch, (id) => ['cancel', id])
    default:
      return action satisfies never
  }
}

/** Lifts every pause, also those of others. */
export async function resume({
  environment,
  pauses,
  resumes,
}: Pick<Scene, 'environment' | 'pauses' | 'resumes'>): Promise<void> {
  const startedAt = Date.now()
  for (const [index, { from, to }] of pauses.entries()) pauses[index] = { from, to: Math.min(to, startedAt) }
  const place = resumes.push({ from: startedAt, to: Number.POSITIVE_INFINITY }) - 1
  await environment.command(['resume'])
  resumes[place] = { from: startedAt, to: Date.now() }
}

/** Submits a batch of the plan; one that was refused (the store was busy, say) is submitted again. */
async function submit({ plan, environment, released, counters }: Scene, name: string): Promise<void> {
  const batch = plan.batches.find((each) => each.name === name)
  if (batch === undefined) return
  const file = join(environment.dir, `${name}.csv`)
  await writeFile(file, catalogText(batch))
  for (let tries = 0; tries < SUBMIT_TRIES; tries += 1) {
    const finished = await environment.command(submitWords(batch, file))
    const id = numberIn(finished.stdout, 'batch')
    if (id !== null) {
      released.set(name, id)
      return
    }
    counters.missed += 1
  }
}

function submitWords(batch: ChaosBatch, file: string): readonly string[] {
  return ['submit', file, '--query', TEMPLATE, '--name', batch.name, '--yes', '--json', ...batch.options]
}

async function commandOn(scene: Scene, batch: string, words: (id: string) => readonly string[]): Promise<void> {
  const id = scene.released.get(batch)
  if (id === undefined || (await scene.environment.command(words(String(id)))).code !== 0) scene.counters.missed += 1
}

interface BoardQueue {
  getJobs(states: 'prioritized'[] | 'failed'[], from: number, to: number): Promise<(BoardJob | undefined)[]>
}

interface BoardJob {
  remove(): Promise<void>
  retry(state: 'failed'): Promise<void>
}

/** What Bull Board's *Retry* does, for each that stands there. */
async function pressRetry(letters: BoardQueue): Promise<number> {
  return each(await letters.getJobs(['failed'], 0, 49), (job) => job.retry('failed'))
}

/** What Bull Board's *Clean* does to a job. */
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

/** A figure of the one document that a command printed; null when it printed none. */
function numberIn(json: string, name: string): number | null {
  try {
    const value: unknown = JSON.parse(json)[name]
    return typeof value === 'number' ? value : null
  } catch {
    return null
  }
}
