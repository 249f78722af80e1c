import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, expect, test } from '@jest/globals'
import { UnreachableError } from '../../../src/domain/errors.js'
import { withFileLock } from '../../../src/queue/private-redis/file-lock.js'

let dir = ''
let path = ''
const holders: ChildProcess[] = []
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'lock-'))
  path = join(dir, 'lock.db')
})
afterEach(async () => {
  for (const child of holders.splice(0)) child.kill('SIGKILL')
  await rm(dir, { recursive: true, force: true })
})

/** Runs many at once and says how many were inside together at most. */
async function crowd(size: number): Promise<number> {
  let inside = 0
  let most = 0
  await Promise.all(
    Array.from({ length: size }, () =>
      withFileLock(path, 40_000, async () => {
        inside += 1
        most = Math.max(most, inside)
        await sleep(2)
        inside -= 1
      }),
    ),
  )
  return most
}

const HOLDER = `
const { default: Database } = await import('better-sqlite3')
globalThis.held = new Database(process.argv[1], { timeout: 0 }).exec('begin immediate')
console.log('held')
setInterval(() => {}, 1000)
`

/** Another process that holds the lock until it is killed. */
async function holder(): Promise<ChildProcess> {
  const child = spawn(process.execPath, ['--input-type=module', '-e', HOLDER, path], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  holders.push(child)
  if (child.stdout === null) throw new Error('the holder has no output')
  await once(child.stdout, 'data')
  return child
}

test('one holder at a time, and nothing is written', async () => {
  expect(await crowd(12)).toBe(1)
  expect((await stat(path)).size).toBe(0)
})

test('the lock is released when the work fails', async () => {
  await expect(withFileLock(path, 100, () => Promise.reject(new Error('no')))).rejects.toThrow('no')
  expect(await withFileLock(path, 100, async () => 'mine')).toBe('mine')
})

test('a holder in another process is waited for, and the lock is free the moment it is killed', async () => {
  const child = await holder()
  await expect(withFileLock(path, 50, async () => {})).rejects.toThrow(UnreachableError)
  await expect(withFileLock(path, 50, async () => {})).rejects.toThrow(path)
  const waiting = crowd(6)
  child.kill('SIGKILL')
  expect(await waiting).toBe(1)
})

test('a file that is no SQLite file is an error at once, not a lock', async () => {
  await writeFile(path, 'half a lock of something else entirely '.repeat(40))
  // By its code: in the second file of a Jest worker, better-sqlite3's errors are none of this file's Errors.
  await expect(withFileLock(path, 40_000, async () => {})).rejects.toMatchObject({ code: 'SQLITE_NOTADB' })
})
