import { openBatchClient } from '../src/app/client.js'

/**
 * The producer to copy: submits rows from wherever yours come from, waits, and reads the results.
 * In your own project the import is `from 'trackyard-batch'`, once `npm install /path/to/trackyard-batch` has linked the
 * built clone; a worker must run (`trackyard-batch up`).
 *
 *   npm run build && node dist/scripts/submit.js      (in the clone)
 */
async function* scenes(): AsyncGenerator<{ id: string; title: string; mood: string }> {
  // Replace with a database cursor, an API, a directory of files: rows are streamed, memory stays flat.
  yield { id: 'scene-1', title: 'Opening titles', mood: 'hopeful' }
  yield { id: 'scene-2', title: 'Night drive', mood: 'dark' }
  yield { id: 'scene-3', title: 'Opening titles', mood: 'hopeful' }
}

const client = await openBatchClient()
try {
  const { id, plan } = await client.submit(scenes(), { name: 'scenes', query: '{title} {mood} music', id: 'id' })
  console.log(`batch ${id}: ${plan.rows} rows, ${plan.searches} searches, ${plan.creditsNeeded} credits needed`)
  const { queue } = await client.status(id)
  console.log(queue.reason)
  const waited = await client.wait(id, { timeoutMs: 60_000 })
  console.log(`waited: ${waited}`)
  for await (const row of client.results(id)) {
    console.log(row.id, row.status, row.tags?.genre ?? '-', row.tracks[0] ?? '-')
  }
} finally {
  await client.close()
}
