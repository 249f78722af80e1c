import { Queue, Worker } from 'bullmq'
import { Agent, request } from 'undici'
import { SIMULATOR_KEY } from '../../src/simulator/options.js'

/**
 * Baseline: a BullMQ worker of ten lines, which makes each call with undici and parses
 * the answer. It stores nothing: no claim, no answer, no ledger. So the difference to the program
 * is the cost of the store.
 */

export const BARE_WORKER_ROLE = 'as-bare-worker'

const CHUNK = 1000

export async function playBareWorker(order: {
  readonly url: string
  readonly socketPath: string
  readonly searches: number
  readonly concurrency: number
}): Promise<void> {
  const connection = { path: order.socketPath, maxRetriesPerRequest: null }
  const name = `bare-${process.pid}`
  const queue = new Queue(name, { connection })
  const options = { attempts: 3, removeOnComplete: { count: 1000 } }
  for (let from = 0; from < order.searches; from += CHUNK) {
    const size = Math.min(CHUNK, order.searches - from)
    await queue.addBulk(
      Array.from({ length: size }, (_, index) => ({
        name: 'search',
        data: { query: `scene ${from + index} music`, limit: 20, offset: 0 },
        opts: { ...options, jobId: `s-${from + index}` },
      })),
    )
  }
  const agent = new Agent({ connections: order.concurrency })
  const headers = { authorization: `Bearer ${SIMULATOR_KEY}`, 'content-type': 'application/json' }
  let done = 0
  await new Promise<void>((resolve, reject) => {
    const worker = new Worker(
      name,
      async (job) => {
        const { body } = await request(`${order.url}/search`, {
          dispatcher: agent,
          method: 'POST',
          headers,
          body: JSON.stringify(job.data),
        })
        const { tracks } = (await body.json()) as { tracks: unknown[] }
        return { tracks: tracks.length }
      },
      { connection, concurrency: order.concurrency },
    )
    worker.on('error', reject)
    worker.on('completed', () => {
      done += 1
      if (done === order.searches) worker.close().then(resolve, reject)
    })
  })
  await queue.obliterate()
  await queue.close()
  await agent.close()
}
