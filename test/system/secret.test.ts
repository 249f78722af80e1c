import { execFileSync } from 'node:child_process'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, expect, test } from '@jest/globals'
import { SIMULATOR_KEY } from '../../src/simulator/options.js'
import { type SystemUnderTest, startSystem } from '../support/system-under-test.js'

let system: SystemUnderTest
afterEach(() => system.close())

test('the key is nowhere in Redis, database, logs or process list, though the API echoes it in every error', async () => {
  system = await startSystem({
    simulator: {
      echoKey: true,
      faults: [
        { match: 'refused', does: { status: 400 } },
        { match: 'broken', does: { status: 500 } },
        { match: 'html', does: 'html' },
      ],
    },
    env: { TRACKYARD_MAX_ATTEMPTS: '2', TRACKYARD_LOG_LEVEL: 'debug' },
  })
  const path = await system.file('a.csv', 'title\nrefused\nbroken\nhtml\nfine\n')
  const submitted = await system.command(['submit', path, '--query', '{title}', '--yes'])
  const worker = await system.startWorker()
  const waited = await system.command(['wait', '--timeout', '120'])
  expect(waited.code).toBe(6)
  const commands = await Promise.all(
    [['dead-letters'], ['show', '1'], ['status', '--json'], ['account'], ['export', '--out', '-']].map((args) =>
      system.command(args),
    ),
  )
  const commandLine = await readFile(`/proc/${worker.pid}/cmdline`, 'utf8')
  worker.kill('SIGTERM')
  await worker.exited

  const said = [submitted, waited, ...commands].flatMap(({ stdout, stderr }) => [stdout, stderr])
  expect([...said, worker.stderr(), commandLine].filter((text) => text.includes(SIMULATOR_KEY))).toEqual([])
  const files = await filesUnder(system.dataDir)
  expect(files.some((file) => file.endsWith('.aof'))).toBe(true)
  expect(files.some((file) => file.includes('trackyard.db'))).toBe(true)
  for (const file of files)
    expect({ file, key: (await readFile(file)).includes(SIMULATOR_KEY) }).toEqual({ file, key: false })
}, 240_000)

test('the key comes from a pipe, and a pipe into which nothing is written is named', async () => {
  system = await startSystem()
  const pipe = join(system.dir, 'key')
  execFileSync('/usr/bin/mkfifo', [pipe])
  const env = { TRACKYARD_API_KEY: '', TRACKYARD_API_KEY_FILE: pipe }
  const command = 'dist/scripts/trackyard-batch.js'
  const silent = await system.start(command, ['status'], env).exited
  expect([silent.code, silent.stderr]).toEqual([78, expect.stringContaining('a pipe into which nothing is written')])
  const worker = system.start(command, ['worker'], env)
  await writeFile(pipe, SIMULATOR_KEY)
  await worker.waitForEvent('worker.started')
})

async function filesUnder(folder: string): Promise<readonly string[]> {
  const entries = await readdir(folder, { withFileTypes: true, recursive: true })
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))
}
