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
  expect(await system.cli(['status'])).toMatchObject({
    code: 78,
    stderr: expect.stringContaining('expected a file of NAME=value lines, found a device'),
  })
})

test('what the system refuses is no bug of ours', async () => {
  system = await startSystem()
  await symlink('loop', join(system.dir, 'loop'))
  await mkdir(join(system.dir, 'folder'))
  const { code, stderr } = await system.cli(['submit', 'loop', '--query', QUERY])
  expect(stderr).not.toMatch(/Unexpected error|bug/)
  expect([1, 2]).toContain(code)
})

test('a stray quotation mark before more text than there is room for is named with its line', async () => {
  system = await startSystem()
  await system.file('x.csv', `id,title\n1,a\n2,"stray\n${`77,${'a row of its own '.repeat(20)}\n`.repeat(60_000)}`)
  const TMPDIR = join(system.dir, 'gone')
  const { code, stderr } = await system.command(['submit', 'x.csv', '--query', '{title}'], { env: { TMPDIR } })
  expect(code).toBe(3)
  expect(stderr).toContain(
    'x.csv, line 3: a quotation mark is not closed, and the text behind it needs room in the temporary directory ' +
      `(${TMPDIR}), in which no file can be written (ENOENT). Free some space there, set TMPDIR, or correct the line.`,
  )
})

test('a worker whose log cannot be written works on', async () => {
  system = await startSystem({ simulator: { noMatchRate: 0 } })
  await system.submit(5)
  const worked = shell('exec "$NODE" "$ROOT/dist/workers/worker.js" > /dev/full 2> /dev/full')
  expect((await system.cli(['wait', '--timeout', '60'])).code).toBe(0)
  expect((await system.cli(['down'])).code).toBe(0)
  expect((await worked).code).toBe(0)
  expect(system.simulator.paid()).toBe(5)
}, 240_000)

const EXPORT = '"$NODE" "$ROOT/dist/scripts/trackyard-batch.js" export --out -'

test('an export of which the disk takes only a part has failed', async () => {
  system = await startSystem()
  const rows = Array.from({ length: 200 }, (_, n) => `${n},${'x'.repeat(1000)}\n`)
  const catalog = await system.file('long.csv', `id,title\n${rows.join('')}`)
  expect(await system.cli(['submit', catalog, '--query', '{title}', '--yes'])).toMatchObject({ code: 0 })
  // In units of 512 or 1024 bytes: enough to read the store, not for the rows, which are written at once.
  const { code, said } = await shell(`ulimit -f 64; exec ${EXPORT} > tagged.csv`)
  expect([code, said]).toEqual([3, expect.stringMatching(/^Could not write the output \(EFBIG: .*\n$/)])
})

test('an export whose reader has seen enough ends, and does not say that it is complete', async () => {
  system = await startSystem()
  await system.submit(5000)
  expect((await shell(`{ ${EXPORT}; echo "code $?" >&2; } | head -1`)).said).toBe('code 0\n')
})

test('an interrupt ends an export whose reader stands still', async () => {
  system = await startSystem()
  await system.submit(5000)
  const child = spawn('sh', ['-c', `exec ${EXPORT}`], {
    cwd: system.dir,
    env: { ...system.env, NODE: process.execPath, ROOT },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  await once(child.stdout, 'readable')
  child.kill('SIGTERM')
  expect(await once(child, 'exit')).toEqual([1, null])
})
