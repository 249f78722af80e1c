import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { afterEach, expect, test } from '@jest/globals'
import { QUERY, type SystemUnderTest, startSystem } from '../support/system-under-test.js'

/** What a machine may be like when somebody has made a plain mistake. */
let system: SystemUnderTest
afterEach(() => system.close())

const ROOT = fileURLToPath(new URL('../../', import.meta.url))

async function shell(script: string): Promise<{ readonly code: number | null; readonly said: string }> {
  const child = spawn('sh', ['-c', script], {
    cwd: system.dir,
    env: { ...system.env, NODE: process.execPath, ROOT },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const [said, [code]] = await Promise.all([text(child.stderr), once(child, 'exit'), text(child.stdout)])
  return { code: code as number | null, said }
}

test.each(['scripts/trackyard-batch.js status', 'workers/worker.js', 'workers/board.js'])(
  'a current directory that was removed is said: %s',
  async (entry) => {
    system = await startSystem()
    const { code, said } = await shell(`mkdir gone && cd gone && rmdir ../gone && exec "$NODE" "$ROOT/dist/"${entry}`)
    expect([code, said]).toEqual([2, 'The current directory no longer exists. Change to another one and try again.\n'])
  },
)

test('a .env that never ends is refused', async () => {
  system = await startSystem()
  await symlink('/dev/zero', join(system.dir, '.env'))
  expect(await system.command(['status'])).toMatchObject({
    code: 78,
    stderr: expect.stringContaining('expected a file of NAME=value lines, found a device'),
  })
})

test('what the system refuses is no bug of ours', async () => {
  system = await startSystem()
  await symlink('loop', join(system.dir, 'loop'))
  await mkdir(join(system.dir, 'folder'))
  const { code, stderr } = await system.command(['submit', 'loop', '--query', QUERY])
  expect(stderr).not.toMatch(/Unexpected error|bug/)
  expect([1, 2]).toContain(code)
})

test('a worker whose log cannot be written works on', async () => {
  system = await startSystem({ simulator: { noMatchRate: 0 } })
  await system.submit(5)
  const worked = shell('exec "$NODE" "$ROOT/dist/workers/worker.js" > /dev/full 2> /dev/full')
  expect((await system.command(['wait', '--timeout', '60'])).code).toBe(0)
  expect((await system.command(['down'])).code).toBe(0)
  expect((await worked).code).toBe(0)
  expect(system.simulator.paid()).toBe(5)
}, 240_000)
