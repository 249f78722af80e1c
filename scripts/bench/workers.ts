import { setTimeout as sleep } from 'node:timers/promises'
import type { Service } from '../program.js'
import type { RunEnvironment } from './environment.js'

/** How many workers run. `joining and leaving`: up to three, each for a part of the time. */
export interface WorkerPlan {
  readonly workers: number | 'joining and leaving'
}

/** Time from the last start until the rate is steady. */
const WARM_UP_MS = 2000

/** Runs the workers for `ms`, counted once they are all running. @returns that span, in epoch milliseconds */
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

/** Runs 1, 2, then 3 workers; then the first leaves, then the second. */
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
