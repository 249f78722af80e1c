import { afterEach, expect, test } from '@jest/globals'
import { catalogText, QUERY, type SystemUnderTest, startSystem } from '../support/system-under-test.js'

/** Everything on one machine: children that are kept, and end together. */
let system: SystemUnderTest
afterEach(() => system.close())

const CLI = 'dist/scripts/trackyard-batch.js'
const env = { TRACKYARD_BOARD_PORT: '0' }

function pidOf(log: string, saying: RegExp, nth = 0): number {
  const lines = log.split('\n').filter((line) => saying.test(line))
  return (JSON.parse(lines[nth] ?? '{}') as { pid?: number }).pid ?? 0
}

const alive = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

test('a worker that dies is started again and the work is done; Ctrl-C ends them all with 0', async () => {
  system = await startSystem({ simulator: { noMatchRate: 0 } })
  const up = system.start(CLI, ['up'], env)
  await up.waitForLog(/worker started/)
  await up.waitForLog(/Bull Board is at/)
  const first = pidOf(up.log(), /worker started/)
  process.kill(first, 'SIGKILL')
  await up.waitForLog(/a child ended; it is started again/)
  await up.waitForLog(/worker started[\s\S]*worker started/)
  const second = pidOf(up.log(), /worker started/, 1)
  expect(second).not.toBe(first)
  const path = await system.file('films.csv', catalogText(10))
  await system.json(['submit', path, '--query', QUERY, '--yes'])
  expect((await system.cli(['wait', '--timeout', '120'])).code).toBe(0)
  const board = pidOf(up.log(), /Bull Board is at/)
  up.kill('SIGINT')
  expect((await up.exited).code).toBe(0)
  expect([second, board].filter(alive)).toEqual([])
}, 240_000)

test('a worker and a board that are stopped one by one are started again; `down` ends them all with 0', async () => {
  system = await startSystem()
  const up = system.start(CLI, ['up'], env)
  await up.waitForLog(/worker started/)
  await up.waitForLog(/Bull Board is at/)
  for (const [saying, again] of [
    [/worker started/, /worker started[\s\S]*worker started/],
    [/Bull Board is at/, /Bull Board is at[\s\S]*Bull Board is at/],
  ] as const) {
    process.kill(pidOf(up.log(), saying), 'SIGTERM')
    await up.waitForLog(again)
  }
  expect(up.child.exitCode).toBeNull()
  const children = [pidOf(up.log(), /worker started/, 1), pidOf(up.log(), /Bull Board is at/, 1)]
  expect(children.filter(alive)).toEqual(children)
  expect((await system.cli(['down'])).code).toBe(0)
  expect((await up.exited).code).toBe(0)
  expect(children.filter(alive)).toEqual([])
}, 240_000)

test('a configuration that one of them cannot work with ends them all, with 78', async () => {
  system = await startSystem()
  const up = system.start(CLI, ['up'], { ...env, TRACKYARD_API_KEY: '' })
  const { code, stderr } = await up.exited
  expect(code).toBe(78)
  expect(stderr).toMatch(/TRACKYARD_API_KEY: expected an API key/)
  const board = pidOf(stderr, /Bull Board is at/)
  expect(board === 0 || !alive(board)).toBe(true)
}, 240_000)
