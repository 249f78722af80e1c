import { setTimeout as sleep } from 'node:timers/promises'
import type { RunEnvironment, Service } from './environment.js'

/** How many workers run, all the while or by turns. */
export interface WorkerPlan {
  readonly workers: number | 'joining and leaving'
}

/** After the last start, until what is measured is the steady pace. */
const WARM_UP_MS = 2000

/** Runs the workers for so long, measured from when all of it runs. Epoch milliseconds of the span. */
export async function runWorkers(
  environment: RunEnvironment,
  workerPlan: WorkerPlan,
  ms: number,
): Promise<{ from: number; to: number }> {
  const running: Service[] = []
  const join = async (): Promise<void> => void running.push(await environment.startWorker())
  const count = workerPlan.workers === 'joining and leaving' ? 1 : workerPlan.workers
  for (let worker = 0; worker < count; worker += 1) await join()
  await sleep(WARM_UP_MS)
  const from = Date.now()
  if (workerPlan.workers === 'joining and leaving') await joinAndLeave(running, join, ms / 5)
  const rest = from + ms - Date.now()
  if (rest > 0) await sleep(rest)
  const to = Date.now()
  await Promise.all(running.map((worker) => worker.stop()))
  return { from, to }
}

/** 1 worker, 2, 3, then the first leaves, then the second. */
async function joinAndLeave(running: Service[], join: () => Promise<void>, stepMs: number): Promise<void> {
  for (let step = 0; step < 2; step += 1) {
    await sleep(stepMs)
    await join()
  }
  for (let step = 0; step < 2; step += 1) {
    await sleep(stepMs)
    await running.shift()?.stop()
  }
}
