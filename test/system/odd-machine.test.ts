import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { afterEach, expect, test } from '@jest/globals'
import { catalogText, type Night, QUERY, startNight } from '../support/night.js'

/** What a machine may be like when somebody has made a plain mistake. */
let night: Night
afterEach(() => night.close())

const ROOT = fileURLToPath(new URL('../../', import.meta.url))

async function shell(script: string): Promise<{ readonly code: number | null; readonly said: string }> {
  const child = spawn('sh', ['-c', script], {
    cwd: night.dir,
    env: { ...night.env, NODE: process.execPath, ROOT },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const [said, [code]] = await Promise.all([text(child.stderr), once(child, 'exit'), text(child.stdout)])
  return { code: code as number | null, said }
}

test.each(['scripts/trackyard-batch.js status', 'workers/worker.js', 'workers/board.js'])(
  'a current directory that was removed is said: %s',
  async (entry) => {
    night = await startNight()
    const { code, said } = await shell(`mkdir gone && cd gone && rmdir ../gone && exec "$NODE" "$ROOT/dist/"${entry}`)
    expect([code, said]).toEqual([
      2,
      'The current directory does not exist any more: change to another one and try again.\n',
    ])
  },
)

test('a .env that never ends is refused', async () => {
  night = await startNight()
  await symlink('/dev/zero', join(night.dir, '.env'))
  expect(await night.cli(['status'])).toMatchObject({
    code: 78,
    stderr: expect.stringContaining('expected a file of NAME=value lines, found a device'),
  })
})

test('what the system refuses is no bug of ours', async () => {
  night = await startNight()
  await symlink('loop', join(night.dir, 'loop'))
  await mkdir(join(night.dir, 'folder'))
  const { code, stderr } = await night.cli(['submit', 'loop', '--query', QUERY])
  expect(stderr).not.toMatch(/Unexpected error|bug/)
  expect([1, 2]).toContain(code)
})

test('a worker whose log cannot be written works on', async () => {
  night = await startNight({ simulator: { noMatchRate: 0 } })
  await night.json(['submit', await night.file('films.csv', catalogText(5)), '--query', QUERY, '--yes'])
  const worked = shell('exec "$NODE" "$ROOT/dist/workers/worker.js" > /dev/full 2> /dev/full')
  expect((await night.cli(['wait', '--timeout', '60'])).code).toBe(0)
  expect((await night.cli(['down'])).code).toBe(0)
  expect((await worked).code).toBe(0)
  expect(night.simulator.paid()).toBe(5)
}, 120_000)
