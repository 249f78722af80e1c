/** The types that a CommonJS file gets. */
import trackyard = require('trackyard-batch')

async function account(): Promise<trackyard.Account | trackyard.ErrorCode> {
  const client: trackyard.BatchClient = await trackyard.openBatchClient()
  try {
    return await client.account()
  } catch (error) {
    if (trackyard.isBatchError(error)) return error.code
    throw error
  } finally {
    await client.close()
  }
}
export = account
