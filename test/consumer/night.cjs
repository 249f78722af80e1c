// A plain CommonJS file: a whole batch through `require`.
const { isBatchError, openBatchClient } = require('trackyard-batch')

async function main() {
  const client = await openBatchClient()
  try {
    const rows = [1, 2, 3].map((n) => ({ id: n, title: `Scene ${n}`, mood: 'dark' }))
    const { id } = await client.submit(rows, { name: 'common', query: '{title} {mood} music', first: 1 })
    const first = await client.wait(id, { timeoutMs: 60_000 })
    await client.pause()
    await client.release(id)
    await client.resume()
    const last = await client.wait(id, { timeoutMs: 60_000 })
    const ids = []
    for await (const row of client.results(id)) ids.push(`${row.id} ${row.status}`)
    // Many questions at once.
    await Promise.all(Array.from({ length: 20 }, () => client.status(id)))
    let missing = null
    await client.release('no such batch').catch((error) => {
      missing = isBatchError(error) && !isBatchError(new Error('no')) ? error.code : error
    })
    console.log(JSON.stringify({ outcomes: [first.outcome, last.outcome], ids, missing }))
  } finally {
    await client.close()
  }
}

main().catch((error) => {
  console.error(error)
  process.exitCode = 1
})
