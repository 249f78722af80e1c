import { DBOS } from '@dbos-inc/dbos-sdk'
import { Agent, request } from 'undici'
import { SIMULATOR_KEY } from '../../src/simulator/options.js'

/**
 * A baseline that also stores every answer: DBOS Transact's durable queue on PostgreSQL, written as its
 * documentation does. A search is a workflow of one step, which DBOS retries with backoff and whose result it
 * stores. The queue's own limits enforce the rate and the concurrency.
 */

const QUEUE = 'searches'
/** What the worker prints once it takes searches. */
export const READY = 'ready'
/** Each poll takes at most `concurrency` searches, so with the default of 1 s polling alone would limit the speed. */
const POLLS_EVERY_MS = 10
const ENQUEUED_TOGETHER = 100

export interface DbosOrder {
  readonly databaseUrl: string
  readonly concurrency: number
  /** 0: no limit. */
  readonly perMinute: number
}

/** Enqueues the searches and ends; makes no call. */
export async function playDbosSubmit(order: DbosOrder, searches: number): Promise<void> {
  const search = DBOS.registerWorkflow(async (_query: string) => '', { name: 'search' })
  await launch(order, ['none of these'])
  for (let from = 0; from < searches; from += ENQUEUED_TOGETHER) {
    const size = Math.min(ENQUEUED_TOGETHER, searches - from)
    await Promise.all(
      Array.from({ length: size }, (_, index) =>
        DBOS.startWorkflow(search, { queueName: QUEUE, workflowID: `s-${from + index}` })(
          `scene ${from + index} music`,
        ),
      ),
    )
  }
  await DBOS.shutdown()
}

/** Runs searches until stdin ends. */
export async function playDbosWorker(order: DbosOrder, apiUrl: string): Promise<void> {
  const agent = new Agent({ connections: order.concurrency })
  DBOS.registerWorkflow(
    (query: string) =>
      DBOS.runStep(() => search(agent, apiUrl, query), { name: 'call', retriesAllowed: true, maxAttempts: 10 }),
    { name: 'search' },
  )
  await launch(order, [QUEUE])
  console.log(READY)
  await new Promise((resolve) => process.stdin.resume().once('end', resolve))
  await DBOS.shutdown()
  await agent.close()
}

async function launch({ databaseUrl, concurrency, perMinute }: DbosOrder, listenQueues: string[]): Promise<void> {
  // DBOS uses a deprecated API of its database client; its warning would clutter our output.
  process.noDeprecation = true
  DBOS.setConfig({
    name: 'bench',
    applicationVersion: '1',
    systemDatabaseUrl: databaseUrl,
    logLevel: 'error',
    listenQueues,
  })
  await DBOS.launch()
  await DBOS.registerQueue(QUEUE, {
    workerConcurrency: concurrency,
    minPollingIntervalMs: POLLS_EVERY_MS,
    ...(perMinute === 0 ? {} : { rateLimit: { limitPerPeriod: perMinute, periodSec: 60 } }),
  })
}

async function search(agent: Agent, apiUrl: string, query: string): Promise<string> {
  const { statusCode, body } = await request(`${apiUrl}/search`, {
    dispatcher: agent,
    method: 'POST',
    headers: { authorization: `Bearer ${SIMULATOR_KEY}`, 'content-type': 'application/json' },
    body: JSON.stringify({ query, limit: 20, offset: 0 }),
  })
  const text = await body.text()
  if (statusCode !== 200) throw new Error(`HTTP ${statusCode}`)
  JSON.parse(text)
  return text
}
