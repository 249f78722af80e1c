// Nothing but the watch keeps this process alive.
const { openBatchClient } = require('trackyard-batch')

async function main() {
  const client = await openBatchClient()
  for await (const { batch, outcome } of client.watch('films')) console.log(batch.state, outcome)
  await client.close()
}

main().catch((error) => {
  console.error(error)
  process.exitCode = 1
})
