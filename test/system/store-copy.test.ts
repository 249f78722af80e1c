import { join } from 'node:path'
import { expect } from '@jest/globals'
import { copyStore } from '../../src/store/copy.js'
import { systemTest } from '../support/system-under-test.js'

systemTest(
  'a copy is refused to a running worker; one that has the old store open all the same ends with 78, and so does the board',
  { simulator: { noMatchRate: 0 } },
  async (system) => {
    const worker = await system.startWorker()
    const copied = join(system.dir, 'copied.db')
    const { code, stderr } = await system.cli(['store', 'copy', '--to', copied])
    expect([code, stderr]).toEqual([4, expect.stringContaining('1 worker uses the store: run `trackyard-batch down`')])
    const board = system.start('dist/workers/board.js', [], { TRACKYARD_BOARD_PORT: '0' })
    await board.waitForEvent('board.started')
    await system.submit(3)
    expect((await system.cli(['wait', '--timeout', '120'])).code).toBe(0)
    // As one that started between the look at the workers and the copy.
    const from = { path: join(system.dataDir, 'trackyard.db') }
    await copyStore({ from, to: { path: copied }, now: 0, progress: () => {}, refuseIfUsed: async () => {} })
    for (const service of [worker, board]) {
      const ended = await service.exited
      expect([ended.code, ended.stderr]).toEqual([78, expect.stringContaining(`was copied to ${copied}`)])
    }
  },
)
