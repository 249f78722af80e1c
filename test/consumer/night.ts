/** A project of its own: a whole batch through the package, from submit to results. */
import {
  type BatchClient,
  type BatchStatus,
  ERROR_CODES,
  type ErrorCode,
  isBatchError,
  openBatchClient,
  type Progress,
  type RowResult,
  type WaitOutcome,
} from 'trackyard-batch'

interface Scene {
  readonly id: string
  readonly title: string
  readonly mood: string
}

async function* scenes(): AsyncGenerator<Scene> {
  for (let n = 1; n <= 5; n++) yield { id: `scene-${n}`, title: `Scene ${n}`, mood: n === 4 ? 'refused' : 'calm' }
}

async function codeOf(work: Promise<unknown>): Promise<ErrorCode | null> {
  try {
    await work
    return null
  } catch (error) {
    if (isBatchError(error) && ERROR_CODES.includes(error.code)) return error.code
    throw error
  }
}

const outcomes: WaitOutcome[] = []
const client: BatchClient = await openBatchClient()
try {
  const { id, plan } = await client.submit(scenes(), { name: 'night', query: '{title} {mood} music', first: 2 })
  outcomes.push((await client.wait(id, { timeoutMs: 60_000 })).outcome)
  await client.pause({ reason: 'a look at the first answers' })
  const released: BatchStatus = await client.release(id)
  let last: Progress | null = null
  for await (const event of client.watch(id)) {
    if (event.queue.causes.includes('operator')) await client.resume()
    last = event
  }
  outcomes.push((await client.wait(id)).outcome)
  const results: RowResult[] = []
  for await (const result of client.results(id, { after: 1 })) results.push(result)
  const missing = await codeOf(client.status('no such batch'))
  console.log(
    JSON.stringify({
      rows: plan.rows,
      outcomes,
      waiting: released.waiting,
      last: last?.outcome ?? null,
      ids: results.map((row) => `${row.id} ${row.status} ${row.tracks.length > 0}`),
      missing,
    }),
  )
} finally {
  await client.close()
}
