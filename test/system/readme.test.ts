import { spawn } from 'node:child_process'
import { chmod, cp, mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, expect, test } from '@jest/globals'
import { type Process, type SystemUnderTest, startSystem } from '../support/system-under-test.js'

/** The README's night, command by command as a reader pastes it, against the simulator. */
const ROOT = fileURLToPath(new URL('../../', import.meta.url))
let system: SystemUnderTest
afterEach(() => system.close())

interface Command {
  readonly line: string
  /** From a comment "# exit code 4: …" behind it; else 0. */
  readonly exitCode: number
}

/** The `sh` blocks of one section, without the block that builds the program: here it is built already. */
async function commandsOf(section: string): Promise<readonly Command[]> {
  const readme = await readFile(join(ROOT, 'README.md'), 'utf8')
  const text = readme.split(/^## /m).find((part) => part.startsWith(`${section}\n`)) ?? ''
  return [...text.matchAll(/^```sh\n([\s\S]*?)^```/gm)]
    .map(([, block = '']) => block)
    .filter((block) => !block.includes('npm install'))
    .flatMap((block) => block.trim().split('\n'))
    .map((line) => ({
      line: line.replace(/\s+#.*$/, ''),
      exitCode: Number(/# exit code (\d+)/.exec(line)?.[1] ?? 0),
    }))
}

/** A folder as the reader has it: the shipped catalog in its place, and the command under its name. */
async function prepareFolder(): Promise<string> {
  const bin = join(system.dir, 'bin')
  await mkdir(bin)
  await mkdir(join(system.dir, 'scripts'))
  await cp(join(ROOT, 'scripts/sample-catalog.csv'), join(system.dir, 'scripts/sample-catalog.csv'))
  const command = join(bin, 'trackyard-batch')
  await writeFile(command, `#!/bin/sh\nexec "${process.execPath}" "${ROOT}dist/scripts/trackyard-batch.js" "$@"\n`)
  await chmod(command, 0o755)
  return `${bin}:${system.env.PATH}`
}

function shell(line: string, path: string): Promise<{ readonly code: number | null; readonly output: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn('bash', ['-c', line], {
      cwd: system.dir,
      env: { ...system.env, PATH: path },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let output = ''
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        output += text
      })
    }
    child.once('error', reject)
    child.once('close', (code) => resolve({ code, output }))
  })
}

test('every command of the README works as pasted, and the shipped catalog comes back tagged', async () => {
  system = await startSystem({ simulator: { noMatchRate: 0 }, env: { TRACKYARD_BOARD_PORT: '0' } })
  const commands = await commandsOf('A night')
  expect(commands.map(({ line }) => line)).toEqual(
    expect.arrayContaining(['trackyard-batch up', 'trackyard-batch down']),
  )
  const path = await prepareFolder()
  let up: Process | null = null
  for (const { line, exitCode } of commands) {
    if (line === 'trackyard-batch up') {
      up = system.start('dist/scripts/trackyard-batch.js', ['up'])
      continue
    }
    const { code, output } = await shell(line, path)
    expect({ line, code, output }).toEqual({ line, code: exitCode, output: expect.any(String) })
  }
  // `down` has ended it.
  expect((await up?.exited)?.code).toBe(0)
  const lines = (await readFile(join(system.dir, 'videos.tagged.csv'), 'utf8'))
    .trim()
    .split('\r\n')
    .join('\n')
    .split('\n')
  const tagged = lines.filter((line) => /,tagged,/.test(line))
  expect(tagged.length).toBeGreaterThan(300)
  expect(lines.filter((line) => /,(waiting|withheld|cancelled),/.test(line))).toEqual([])
  const queries = system.simulator.calls().map((call) => call.query)
  expect(new Set(queries).size).toBe(queries.length)
}, 240_000)
