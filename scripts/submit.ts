import { isBatchError, openBatchClient } from '../src/app/client.js'

/**
 * The producer to copy: submits rows from wherever yours come from, looks at the first answers, releases the rest, and
 * reads the results. In your own project the import is `from 'trackyard-batch'`, once `npm install
 * /path/to/trackyard-batch` has linked the built clone; a worker must run (`trackyard-batch up`).
 *
 *   npm run build && node dist/scripts/submit.js      (in the clone)
 */
async function* scenes(): AsyncGenerator<{ id: string; title: string; mood: string }> {
  // Replace with a database cursor, an API, a directory of files: rows are streamed, memory stays flat.
  yield { id: 'scene-1', title: 'Opening titles', mood: 'hopeful' }
  yield { id: 'scene-2', title: 'Night drive', mood: 'dark' }
  yield { id: 'scene-3', title: 'Opening titles', mood: 'hopeful' }
}

// Ends this script when the night is over. What is released goes on.
const signal = AbortSignal.timeout(12 * 60 * 60_000)

const client = await openBatchClient()
try {
  const wanted = { name: 'scenes', query: '{title} {mood} music', id: 'id', first: 1, signal }
  const { id, plan } = await client.submit(scenes(), wanted)
  console.log(`batch ${id}: ${plan.rows} rows, ${plan.searches} searches, ${plan.creditsNeeded} credits needed`)
  for (const warning of plan.warnings) console.warn(warning)

  // The first answers: is the template good? In a real producer this is a person, or a check of yours.
  await client.wait(id, { timeoutMs: 60_000, signal })
  for await (const row of client.results(id, { signal })) {
    if (row.status === 'tagged') console.log('first answer:', row.id, row.tags?.genre, row.tracks[0]?.title)
  }

  await client.release(id, { signal })
  for await (const { batch, queue } of client.watch(id, { signal })) {
    console.log(`${batch.rows - batch.waiting} of ${batch.rows} rows done. ${queue.reason}`)
  }

  // Keep the position of the last row that you have stored: after a crash, continue with { after: position }.
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
