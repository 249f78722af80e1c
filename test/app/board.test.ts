import { join } from 'node:path'
import { expect, test } from '@jest/globals'
import Database from 'better-sqlite3'
import { startBoardProcess } from '../../src/app/board.js'
import type { Settings } from '../../src/config/settings.js'
import { NEVER_ABORTED } from '../../src/domain/abortable.js'
import { silentLogger } from '../../src/domain/logger.js'
import { breakDump } from '../queue/refusing-redis.js'
import { type InProcessSystem, inProcessTest, withInProcess } from '../support/in-process-system.js'
import { until } from '../support/until.js'

const PATHS = ['/', '/batches/1', '/metrics', '/readyz', '/queues/api/queues']

inProcessTest('open pages do not fill the connection to a Redis that is away', {}, async (system) => {
  await system.submit(['one'])
  const board = await startBoardProcess(boardSettings(system), silentLogger, NEVER_ABORTED)
  try {
    const statuses = () => Promise.all(PATHS.map(async (path) => (await fetch(board.url + path)).status))
    const commands = async () =>
      Number(/total_commands_processed:(\d+)/.exec(await system.redis.command('INFO', 'stats'))?.[1])
    const before = await commands()
    expect(await statuses()).toEqual([200, 200, 200, 200, 200])
    const once = (await commands()) - before
    expect(once).toBeGreaterThan(5)

    system.redis.freeze()
    await Promise.all([statuses(), statuses(), statuses(), statuses()])
    for (let look = 0; look < 4; look += 1)
      expect(await Promise.all(Array.from({ length: 10 }, statuses))).toContainEqual([200, 200, 503, 503, 503])
    const bodyOf = async (path: string) => (await fetch(board.url + path)).text()
    for (const probe of ['/metrics', '/readyz'])
      expect(JSON.stringify(await bodyOf(probe))).toMatch(/Redis does not answer\. Check that it is running\.\\"/)
    system.redis.thaw()

    // Redis answers in order, so whatever was piled up comes first.
    const isBack = async () => (await statuses()).every((status) => status === 200)
    await until(isBack, { timeoutMs: 60_000, what: 'all pages' })
    expect((await commands()) - before).toBeLessThan(12 * once)
  } finally {
    system.redis.thaw()
    await board.stop()
  }
})

inProcessTest(
  'a Redis that refuses changes, and so heartbeats, does not mean that no worker runs',
  {},
  async (system) => {
    await system.submit(['one'])
    const board = await startBoardProcess(boardSettings(system), silentLogger, NEVER_ABORTED)
    try {
      await breakDump(system.redis)
      const [page = '', , metrics = '', ready = ''] = await Promise.all(
        PATHS.map(async (path) => (await fetch(board.url + path)).text()),
      )
      expect(page).toMatch(
        /cannot write to its disk .* do not kill them\. The state of the workers is unknown\. 1 search due/,
      )
      expect(page).not.toContain('No worker is running')
      expect(metrics).not.toContain('trackyard_workers')
      expect(JSON.parse(ready)).toMatchObject({
        ok: false,
        reason: expect.stringContaining('cannot write to its disk'),
      })
    } finally {
      await board.stop()
    }
  },
)

inProcessTest('Pause and Resume on the page work while Redis does not answer', {}, async (system) => {
  await system.submit(['one'])
  const board = await startBoardProcess(boardSettings(system), silentLogger, NEVER_ABORTED)
  try {
    system.redis.freeze()
    expect((await press(board.url, 'pause')).status).toBe(303)
    expect(await system.store.pauses.list()).toMatchObject([{ cause: 'operator', detail: 'lunch' }])
    expect((await press(board.url, 'resume')).status).toBe(303)
    expect(await system.store.pauses.list()).toEqual([])
  } finally {
    system.redis.thaw()
    await board.stop()
  }
})

// After the others: a wait for the store's lock stops this process, and so the timers of their pages.
test('Pause and Resume on the page are refused while the store is locked', () =>
  withInProcess({}, async (system) => {
    await system.submit(['one'])
    const board = await startBoardProcess(boardSettings(system), silentLogger, NEVER_ABORTED)
    const other = new Database(join(system.dataDir, 'trackyard.db'))
    try {
      other.exec('BEGIN IMMEDIATE')
      for (const action of ['pause', 'resume']) {
        const answer = await press(board.url, action)
        expect([action, answer.status, await answer.text()]).toEqual([
          action,
          503,
          expect.stringMatching(/The store .* was locked by another process/),
        ])
      }
      other.exec('COMMIT')
      expect((await press(board.url, 'pause')).status).toBe(303)
      expect(await system.store.pauses.list()).toHaveLength(1)
    } finally {
      other.close()
      await board.stop()
    }
  }))

function boardSettings(system: InProcessSystem): Settings {
  return system.settings({ TRACKYARD_REDIS_URL: system.redis.url, TRACKYARD_BOARD_PORT: '0' })
}

function press(url: string, action: string): Promise<Response> {
  const body = new URLSearchParams({ reason: 'lunch' })
  return fetch(`${url}/actions/${action}`, { method: 'POST', body, redirect: 'manual' })
}
