import { spawn, spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { chmod, mkdir, rm, writeFile } from 'node:fs/promises'
import { delimiter, join, resolve } from 'node:path'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { type SystemUnderTest, startSystem } from '../support/system-under-test.js'

/** The scripts of docs/automation.md, read out of it and run as they are. */
const DOCUMENT = readFileSync('docs/automation.md', 'utf8')
const script = (language: string): string =>
  new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\``, 'm').exec(DOCUMENT)?.[1] ?? ''
/** With the word, the searches are those of one test alone. */
const catalog = (word: string) =>
  `id,title,mood\nA,${word} Harbor,calm\nB,${word} Chase,tense\nC,${word} Dawn,soft\nD,${word} Storm,dark\n`

let system: SystemUnderTest
let env: Record<string, string>
beforeAll(async () => {
  system = await startSystem({ simulator: { noMatchRate: 0 }, env: { TRACKYARD_MAX_ATTEMPTS: '1' } })
  await mkdir(join(system.dir, 'bin'))
  const command = join(system.dir, 'bin', 'trackyard-batch')
  const entry = resolve('dist/scripts/trackyard-batch.js')
  await writeFile(command, `#!/bin/sh\nexec '${process.execPath}' '${entry}' "$@"\n`)
  await chmod(command, 0o755)
  env = { ...system.env, PATH: `${join(system.dir, 'bin')}${delimiter}${system.env.PATH ?? '/usr/bin:/bin'}` }
  await system.startWorker()
}, 240_000)
afterAll(() => system.close())

async function run(program: string, words: readonly string[], more: Record<string, string> = {}) {
  const child = spawn(program, words, { cwd: system.dir, env: { ...env, ...more }, stdio: ['ignore', 'pipe', 'pipe'] })
  const code = new Promise<number | null>((done) => child.once('close', done))
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)])
  return { code: await code, stdout, stderr }
}

describe('a shell script with set -e', () => {
  const nightly = async () => run('bash', [await system.file('nightly.sh', script('bash'))])
  const tagged = () => existsSync(join(system.dir, 'tagged.csv'))

  test('ends with 0 and an export if every row has an answer', async () => {
    await system.file('videos.csv', catalog('whole'))
    expect(await nightly()).toMatchObject({ code: 0 })
    expect(tagged()).toBe(true)
    await rm(join(system.dir, 'tagged.csv'))
  }, 240_000)

  test.each([
    ['dead', catalog('dead'), /1 dead/],
    ['invalid', `${catalog('invalid')}E,,\n`, /1 invalid/],
  ])(
    'ends with 6 and no export if a row is %s',
    async (status, text, said) => {
      if (status === 'dead') system.simulator.fail({ match: 'dead Chase', does: { status: 400 } })
      await system.file('videos.csv', text)
      const { code, stderr } = await nightly()
      expect([code, stderr]).toEqual([6, expect.stringMatching(said)])
      expect(tagged()).toBe(false)
      const { stderr: warned } = await system.cli(['export'])
      expect(warned).toMatch(/Warning: 1 row has no answer/)
    },
    240_000,
  )

  test('ends with the exit code of the command that fails', async () => {
    await system.file('videos.csv', '')
    expect(await nightly()).toMatchObject({ code: 2, stderr: expect.stringContaining('empty file') })
  }, 240_000)
})

const hasPython = spawnSync('python3', ['--version']).status === 0
// Without python3 on the machine there is nothing to run it.
const withPython = hasPython ? test : test.skip

withPython(
  'the Python script runs a whole batch and handles two errors by their codes',
  async () => {
    system.simulator.fail({ match: 'python Storm', does: { status: 400 } })
    await system.file('videos.csv', catalog('python'))
    const file = await system.file('night.py', script('python'))
    const { code, stdout, stderr } = await run('python3', [file], { TRACKYARD_CONFIRM_ABOVE: '1' })
    expect([code, stderr]).toEqual([0, expect.any(String)])
    expect(stdout).toMatch(/^more than TRACKYARD_CONFIRM_ABOVE: This may cost 2 credits/)
    expect(stdout).toContain('4 rows, 2 credits\n')
    expect(stdout).toMatch(/done 3 tagged\nA tagged\nB tagged\nC tagged\nD dead\n$/)
    expect(system.simulator.paidTwice()).toEqual([])
  },
  240_000,
)

test('the steps of a CI job end with an export, and leave nothing running', async () => {
  const block = /- run: \|\n((?: {4}.*\n)+)/.exec(script('yaml'))?.[1] ?? ''
  await system.cli(['down'])
  await system.file('videos.csv', catalog('job'))
  const job = await system.file('job.sh', block)
  expect(await run('bash', ['-e', job])).toMatchObject({ code: 0 })
  expect(readFileSync(join(system.dir, 'tagged.csv'), 'utf8').match(/,tagged,/g)).toHaveLength(4)
  expect((await system.status()).queue).toMatchObject({ state: 'no_workers', workers: 0 })
  await system.file('videos.csv', `${catalog('job')}E,,\n`)
  expect(await run('bash', ['-e', job])).toMatchObject({ code: 6 })
  await rm(join(system.dir, 'videos.csv'))
  // Its worker has our pipes open as long as it runs, however early the job fails.
  expect(await run('bash', ['-e', job])).toMatchObject({ code: 2, stderr: expect.stringContaining('videos.csv') })
  expect(await system.cli(['down'])).toMatchObject({ code: 0, stdout: 'No worker was running.\n' })
}, 240_000)
