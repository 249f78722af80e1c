import { chmod } from 'node:fs/promises'
import { afterEach, expect, test } from '@jest/globals'
import { type SystemUnderTest, startSystem } from '../support/system-under-test.js'

/** What lets others read or change what they should not is said where somebody looks: once at the start. */
let system: SystemUnderTest
afterEach(() => system.close())

test('up says it once for all its children; worker, board and account say it each', async () => {
  system = await startSystem({ env: { TRACKYARD_BOARD_PORT: '0' } })
  const path = await system.file('.env', 'TRACKYARD_BOARD_PASSWORD=hunter2\n')
  await chmod(path, 0o644)
  const said = `${path} contains secrets and can be read by every user of this machine. Run: chmod 600 ${path}`
  const times = (text: string) => text.split(said).length - 1

  const up = system.start('dist/scripts/trackyard-batch.js', ['up'])
  await up.waitForEvent('worker.started')
  await up.waitForEvent('board.started')
  expect(times(up.stderr())).toBe(1)
  up.kill('SIGTERM')
  expect((await up.exited).code).toBe(0)

  const alone = [await system.startWorker(), system.start('dist/workers/board.js')] as const
  await alone[1].waitForEvent('board.started')
  expect(alone.map((each) => times(each.stderr()))).toEqual([1, 1])

  const account = await system.command(['account', '--json'])
  expect([account.code, times(account.stderr)]).toEqual([0, 1])
  expect(JSON.parse(account.stdout)).toMatchObject({ fresh: true })
}, 240_000)
