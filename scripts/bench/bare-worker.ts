import { Queue, Worker } from 'bullmq'
import { Agent, request } from 'undici'
import { SIMULATOR_KEY } from '../../src/simulator/options.js'

/**
 * The other baseline: a BullMQ worker as one writes it in ten lines, with the same undici call and a JSON
 * parse, on the same kind of Redis. It keeps nothing: no claim, no answer, no ledger. What lies between
 * it and the program is the price of the record.
 */
export const BARE_WORKER = 'as-bare-worker'

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
