// The entry for `require('trackyard-batch')`: loads the ES module when a client is opened.
const load = () => import('./client.js')

exports.openBatchClient = async (options) => (await load()).openBatchClient(options)

// Errors of the module cannot be imported before it is loaded; each has a code, which no other error has.
exports.isBatchError = (error) => error instanceof Error && 'exitCode' in error && typeof error.code === 'string'
