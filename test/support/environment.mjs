import { AsyncLocalStorage } from 'node:async_hooks'
import { TestEnvironment } from 'jest-environment-node'

/**
 * Jest opens a storage for each test file, and leaves it on. Each that is on costs Node 20 some time for every promise: a
 * Jest process spent a third of its time on those of the files before. So they are turned off when their file is done.
 */
const opened = new Set()
const { run } = AsyncLocalStorage.prototype

AsyncLocalStorage.prototype.run = function (...args) {
  opened.add(this)
  return run.apply(this, args)
}

export default class extends TestEnvironment {
  async teardown() {
    for (const storage of opened) storage.disable()
    opened.clear()
    await super.teardown()
  }
}
