import { isBatchError, openBatchClient } from '../src/app/client.js'

/**
 * An example to copy: submits rows, looks at the first answers, releases the rest, and reads the results. In your own
 * project import from 'trackyard-batch', after `npm install /path/to/trackyard-batch` has linked the built clone. A
 * worker must be running (`trackyard-batch up`).
 *
 *   npm run build && node dist/scripts/submit.js      (in the clone)
 */

async function* scenes(): AsyncGenerator<{ id: string; title: string; mood: string }> {
  // Replace with a database cursor, an API or a directory of files. Rows are streamed, so memory stays flat.
  yield { id: 'scene-1', title: 'Opening titles', mood: 'hopeful' }
  yield { id: 'scene-2', title: 'Night drive', mood: 'dark' }
  yield { id: 'scene-3', title: 'Opening titles', mood: 'hopeful' }
}

// Ends this script after 12 hours. Workers continue with what is released.
const signal = AbortSignal.timeout(12 * 60 * 60_000)

const client = await openBatchClient()
try {
  const wanted = { name: 'scenes', query: '{title} {mood} music', id: 'id', first: 1, signal }
  const { id, plan } = await client.submit(scenes(), wanted)
  console.log(`batch ${id}: ${plan.rows} rows, ${plan.searches} searches, ${plan.creditsNeeded} credits needed`)
  for (const warning of plan.warnings) console.warn(warning)

  // Check the first answers: is the template good? In real use, a person or your own code decides.
  await client.wait(id, { timeoutMs: 60_000, signal })
  for await (const row of client.results(id, { signal })) {
    if (row.status === 'tagged') console.log('first answer:', row.id, row.tags?.genre, row.tracks[0]?.title)
  }

  await client.release(id, { signal })
  for await (const { batch, queue } of client.watch(id, { signal })) {
    console.log(`${batch.rows - batch.waiting} of ${batch.rows} rows done. ${queue.reason}`)
  }

  // Store the position of the last row that you have processed: after a crash, continue with { after: position }.
  for await (const row of client.results(id, { signal })) {
    console.log(row.position, row.id, row.status, row.tags?.genre ?? row.error ?? '-', row.tracks[0]?.id ?? '-')
  }
} catch (error) {
  // `code` is stable, the message is for people: what happened, the value, what to do next.
  console.error(isBatchError(error) ? `${error.code}: ${error.message}` : error)
  process.exitCode = 1
} finally {
  await client.close()
}
