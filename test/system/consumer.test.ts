/** The package as others use it: a TypeScript project of its own and a CommonJS file, each through a whole batch. */
import { execFile, spawn } from 'node:child_process'
import { cp, mkdir, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { type SystemUnderTest, startSystem } from '../support/system-under-test.js'

const root = join(import.meta.dirname, '../..')
let system: SystemUnderTest
let project: string
beforeAll(async () => {
  system = await startSystem({
    simulator: { noMatchRate: 0, faults: [{ match: 'refused', does: { status: 400 } }] },
  })
  project = join(system.dir, 'consumer')
  await cp(join(root, 'test/consumer'), project, { recursive: true })
  await mkdir(join(project, 'node_modules/@types'), { recursive: true })
  await symlink(root, join(project, 'node_modules/trackyard-batch'))
  await symlink(join(root, 'node_modules/@types/node'), join(project, 'node_modules/@types/node'))
})
afterAll(() => system.close())

async function run(file: string, ...args: readonly string[]): Promise<string> {
  const { stdout, stderr } = await promisify(execFile)(process.execPath, [file, ...args], {
    cwd: project,
    env: system.env,
  }).catch((error: { readonly stdout?: string; readonly stderr?: string }) => {
    throw new Error(`${file} failed: ${error.stdout}${error.stderr}`)
  })
  // Node would warn there.
  expect(stderr).toBe('')
  return stdout
}

test('a strict TypeScript project compiles against the package and runs a batch', async () => {
  await run(join(root, 'node_modules/typescript/bin/tsc'), '-p', '.')
  await system.startWorker()
  expect(JSON.parse(await run('out/night.js'))).toEqual({
    rows: 5,
    outcomes: ['rows_withheld', 'rows_without_answer'],
    waiting: 3,
    last: 'rows_without_answer',
    ids: ['scene-2 tagged true', 'scene-3 tagged true', 'scene-4 dead false', 'scene-5 tagged true'],
    missing: 'no_such_batch',
  })
  expect(system.simulator.paid()).toBe(4)
})

test('a CommonJS file gets the client by require and runs a batch', async () => {
  expect(JSON.parse(await run('night.cjs'))).toEqual({
    outcomes: ['rows_withheld', 'done'],
    ids: ['1 tagged', '2 tagged', '3 tagged'],
    missing: 'no_such_batch',
  })
})

test('a watch without Redis keeps its process alive until the end of the batch', async () => {
  // Before and after: a submit starts Redis, and no worker is to take the batch.
  expect(await system.cli(['down'])).toMatchObject({ code: 0 })
  await system.submit(3)
  expect(await system.cli(['down'])).toMatchObject({ code: 0 })
  const child = spawn(process.execPath, ['watch.cjs'], {
    cwd: project,
    env: system.env,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const lines: string[] = []
  for await (const line of createInterface({ input: child.stdout })) {
    if (lines.push(line) === 1) expect(await system.cli(['cancel', 'films', '--yes'])).toMatchObject({ code: 0 })
  }
  expect(lines).toEqual(['released null', 'cancelled rows_without_answer'])
})
