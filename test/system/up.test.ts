import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, expect, test } from '@jest/globals'
import {
  catalogText,
  logLines,
  type Process,
  QUERY,
  type SystemUnderTest,
  startSystem,
} from '../support/system-under-test.js'

/** Everything on one machine: children that are kept, and end together. */
let system: SystemUnderTest
afterEach(() => system.close())

const CLI = 'dist/scripts/trackyard-batch.js'
const env = { TRACKYARD_BOARD_PORT: '0' }

async function pidOf(up: Process, event: string, count = 1): Promise<number> {
  return (await up.waitForEvent(event, { count })).pid
}

const alive = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

test('a worker that dies is started again and the work is done; Ctrl-C ends them all with 0, however long a child takes', async () => {
  system = await startSystem({ simulator: { noMatchRate: 0 } })
  const up = system.start(CLI, ['up'], { ...env, TRACKYARD_SHUTDOWN_GRACE_MS: '1000' })
  const first = await pidOf(up, 'worker.started')
  const board = await pidOf(up, 'board.started')
  process.kill(first, 'SIGKILL')
  await up.waitForEvent('child.exited', { facts: { child: 'worker' } })
  const second = await pidOf(up, 'worker.started', 2)
  expect(second).not.toBe(first)
  // The heartbeat of the killed one lasts for 15 s more.
  const { queue, workers } = await system.status()
  expect([queue.workers, workers.map(({ pid }) => pid)]).toEqual([1, [second]])
  const path = await system.file('films.csv', catalogText(10))
  await system.json(['submit', path, '--query', QUERY, '--yes'])
  expect((await system.cli(['wait', '--timeout', '120'])).code).toBe(0)
  process.kill(second, 'SIGSTOP')
  up.kill('SIGINT')
  // Under systemd the worker would be killed if `up` ended now.
  await sleep(8000)
  expect(up.child.exitCode).toBeNull()
  process.kill(second, 'SIGCONT')
  const { code, stderr } = await up.exited
  expect(code).toBe(0)
  expect(logLines(stderr).filter(({ event }) => event === 'shutdown.started')).toMatchObject([{ pid: up.child.pid }])
  expect([second, board].filter(alive)).toEqual([])
}, 240_000)

test('a worker and a board that are stopped one by one are started again; `down` ends them all with 0', async () => {
  system = await startSystem()
  const up = system.start(CLI, ['up'], env)
  const children: number[] = []
  for (const event of ['worker.started', 'board.started']) {
    process.kill(await pidOf(up, event), 'SIGTERM')
    children.push(await pidOf(up, event, 2))
  }
  expect(up.child.exitCode).toBeNull()
  expect(children.filter(alive)).toEqual(children)
  expect((await system.cli(['down'])).code).toBe(0)
  expect((await up.exited).code).toBe(0)
  expect(children.filter(alive)).toEqual([])
}, 240_000)

test('`down` ends a board that runs alone, before its private Redis', async () => {
  system = await startSystem()
  const board = system.start('dist/workers/board.js', [], env)
  await board.waitForEvent('board.started')
  expect(await system.cli(['down'])).toMatchObject({ code: 0, stdout: expect.stringContaining('Redis is stopped') })
  expect((await board.exited).code).toBe(0)
}, 60_000)

test('a configuration that one of them cannot work with ends them all, with 78', async () => {
  system = await startSystem()
  const up = system.start(CLI, ['up'], { ...env, TRACKYARD_API_KEY: '' })
  const { code, stderr } = await up.exited
  expect(code).toBe(78)
  expect(stderr).toMatch(/TRACKYARD_API_KEY: expected an API key/)
  expect(logLines(stderr).filter(({ event }) => event === 'process.failed')).toHaveLength(1)
  const boards = logLines(stderr).filter(({ event }) => event === 'board.started')
  expect(boards.filter(({ pid }) => alive(pid))).toEqual([])
}, 240_000)

test.each([
  ['up', CLI, ['up']],
  ['worker', 'dist/workers/worker.js', []],
  ['board', 'dist/workers/board.js', []],
])(
  'without redis-server %s says once how to install it and ends with 78',
  async (_name, entry, args) => {
    system = await startSystem()
    const { code, stderr } = await system.start(entry, args, { ...env, PATH: '/nowhere' }).exited
    expect(code).toBe(78)
    const failures = logLines(stderr).filter(({ event }) => /failed|exited/.test(event))
    expect(failures).toMatchObject([
      { event: 'process.failed', msg: expect.stringMatching(/^redis-server is not installed\. .*TRACKYARD_REDIS_URL/) },
    ])
  },
  240_000,
)

test('without redis-server doctor says how to install it', async () => {
  system = await startSystem()
  const { stdout } = await system.start(CLI, ['doctor', '--json'], { PATH: '/nowhere' }).exited
  expect(JSON.parse(stdout).checks.filter(({ name }: { name: string }) => name === 'Redis')).toEqual([
    {
      name: 'Redis',
      state: 'failed',
      found: 'redis-server is not installed',
      remedy: expect.stringMatching(/^(Run `|Install Redis).*TRACKYARD_REDIS_URL/),
    },
  ])
}, 240_000)
