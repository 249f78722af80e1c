import { setTimeout as sleep } from 'node:timers/promises'
import { Agent, request } from 'undici'
import { SIMULATOR_KEY } from '../../src/simulator/options.js'

/**
 * Baseline: the sample of the API's documentation. A sequential loop makes at most 3 attempts per search. After a
 * 429 it sleeps for Retry-After (60 s if there is none). Any other error ends it.
 */

export const DOCUMENTED_LOOP_ROLE = 'as-documented-loop'

const ATTEMPTS = 3
const FALLBACK_S = 60

export async function playDocumentedLoop(url: string, searches: number): Promise<void> {
  const agent = new Agent({ connections: 1 })
  for (let index = 0; index < searches; index += 1) await search(agent, url, `scene ${index} music`)
  await agent.close()
}

async function search(agent: Agent, url: string, query: string): Promise<unknown> {
  for (let attempt = 1; attempt <= ATTEMPTS; attempt += 1) {
    const { statusCode, headers, body } = await request(`${url}/search`, {
      dispatcher: agent,
      method: 'POST',
      headers: { authorization: `Bearer ${SIMULATOR_KEY}`, 'content-type': 'application/json' },
      body: JSON.stringify({ query }),
    })
    if (statusCode === 200) return body.json()
    await body.dump()
    if (statusCode !== 429) throw new Error(`HTTP ${statusCode}`)
    await sleep(Number(headers['retry-after'] ?? FALLBACK_S) * 1000)
  }
  throw new Error('Max retries exceeded')
}
