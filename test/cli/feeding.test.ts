import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import Database from 'better-sqlite3'
import type { StatusReport } from '../../src/batches/status-report.js'
import { CATALOG, type Desk, interruptingAfter, interruptingAtOnce, openDesk, QUERY } from './setup.js'

/**
 * Commands that release searches feed Redis at once. A wrong Redis is refused before; Ctrl-C after
 * is too late.
 */
let desk: Desk
beforeEach(async () => {
  desk = await openDesk()
  await desk.file('films.csv', CATALOG)
})
afterEach(() => desk.close())

const SUBMIT = ['submit', 'films.csv', '--query', QUERY]
const ANOTHER_STORE = () => ({ TRACKYARD_DATA_DIR: `${desk.dataDir}-2` })

const queued = () => desk.redis.command('ZCARD', '{trackyard}:search:prioritized')
const report = (env = {}) => desk.json<StatusReport>(['status'], { env })

describe('Ctrl-C after a release exits with 5 and says how to stop it', () => {
  test('submit', async () => {
    const { code, stderr } = await desk.type([...SUBMIT, '--json'], interruptingAfter('Released'))
    expect(stderr).toMatch(/Interrupted: batch 1 is released, and workers will queue .*`trackyard-batch cancel 1`/)
    expect([code, await queued()]).toEqual([5, ':0\r\n'])
    expect((await report()).batches).toMatchObject([{ state: 'released', waiting: 3 }])
    await desk.work()
    expect(desk.simulator.paid()).toBe(2)
  })

  test('submit --wait does not wait', async () => {
    const { code, stderr } = await desk.type([...SUBMIT, '--json', '--wait'], interruptingAfter('Released'))
    expect([code, stderr]).toEqual([5, expect.stringContaining('batch 1 is released')])
  })

  test('release', async () => {
    await desk.json([...SUBMIT, '--first', '1'])
    await desk.work()
    const { code, stderr } = await desk.type(['release', 'films'], interruptingAtOnce())
    expect(stderr).toMatch(/Interrupted: batch 1 is released, .*`trackyard-batch cancel 1`/)
    expect([code, await queued()]).toEqual([5, ':0\r\n'])
    expect((await report()).batches).toMatchObject([{ waiting: 1, withheld: 0 }])
  })

  test('dead-letters retry', async () => {
    desk.simulator.fail({ match: 'Harbor', does: { status: 403 } })
    await desk.json(SUBMIT)
    await desk.work()
    const { code, stderr } = await desk.type(['dead-letters', 'retry', '--all', '--yes'], interruptingAtOnce())
    expect(stderr).toMatch(/Interrupted: 1 search is due again, .*`trackyard-batch pause`/)
    expect([code, await queued()]).toEqual([5, ':0\r\n'])
    expect((await report()).batches).toMatchObject([{ waiting: 2, dead: 0 }])
  })

  test('resume', async () => {
    desk.simulator.revokeKey()
    await desk.json(['submit', '-'], { stdin: '{"query":"Harbor"}' })
    await desk.work()
    const { code, stderr } = await desk.type(['resume'], interruptingAtOnce())
    expect(stderr).toMatch(/Interrupted: the queue is resumed, .*`trackyard-batch pause`/)
    expect([code, await queued()]).toEqual([5, ':0\r\n'])
    expect((await report()).queue.causes).toEqual([])
  })
})

test('submit reports the release before it feeds Redis', async () => {
  const { stderr } = await desk.type(SUBMIT, { env: { TRACKYARD_REDIS_URL: 'redis://127.0.0.1:1' } })
  expect(stderr).toMatch(
    /Released as batch 1 \(films\)\.\nNothing is queued yet\. Redis .*\nNext: trackyard-batch wait 1\n$/,
  )
})

test('a store that cannot be written after the release is not called an unreachable Redis', async () => {
  await desk.json([...SUBMIT, '--dry-run'])
  const other = new Database(join(desk.dataDir, 'trackyard.db'))
  const { code, stderr } = await desk.type(SUBMIT, {
    onStderr: (said) => {
      if (said.includes('Released') && !other.inTransaction) other.exec('begin immediate')
    },
  })
  other.close()
  expect([code, stderr]).toEqual([
    0,
    expect.stringMatching(/\nNothing is queued yet\. The store .* was locked .* a worker will queue it\.\nNext: /),
  ])
  expect(stderr).not.toContain('Redis')
})

describe("another store's Redis exits with 78 and releases nothing", () => {
  beforeEach(async () => {
    await desk.json(SUBMIT)
  })

  test('submit', async () => {
    const { code, stderr } = await desk.type(SUBMIT, { env: ANOTHER_STORE() })
    expect([code, stderr]).toEqual([78, expect.stringContaining('belongs to another store')])
    const env = { ...ANOTHER_STORE(), TRACKYARD_REDIS_URL: 'redis://127.0.0.1:1' }
    expect((await desk.type(['status'], { env })).stdout).not.toContain('films')
  })

  test('release', async () => {
    const away = { env: { ...ANOTHER_STORE(), TRACKYARD_REDIS_URL: 'redis://127.0.0.1:1' } }
    expect((await desk.type([...SUBMIT, '--first', '1'], away)).code).toBe(0)
    const { code, stderr } = await desk.type(['release', 'films'], { env: ANOTHER_STORE() })
    expect([code, stderr]).toEqual([78, expect.stringContaining('belongs to another store')])
    expect((await desk.type(['status', 'films'], away)).stdout).toContain('withheld')
  })
})
