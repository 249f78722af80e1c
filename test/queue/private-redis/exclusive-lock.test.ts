import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, rm, utimes, writeFile } from 'node:fs/promises'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, expect, test } from '@jest/globals'
import { UnreachableError } from '../../../src/domain/errors.js'
import { withExclusiveLock } from '../../../src/queue/private-redis/exclusive-lock.js'

let dir = ''
let path = ''
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'lock-'))
  path = join(dir, 'the.lock')
})
afterEach(() => rm(dir, { recursive: true, force: true }))

/** Runs many at once and says how many were inside together at most. */
async function crowd(size: number): Promise<number> {
  let inside = 0
  let most = 0
  await Promise.all(
    Array.from({ length: size }, () =>
      withExclusiveLock(path, 40_000, async () => {
        inside += 1
        most = Math.max(most, inside)
        await sleep(2)
        inside -= 1
      }),
    ),
  )
  return most
}

/** A pid that was somebody's and is nobody's now. */
async function deadPid(): Promise<number> {
  const child = spawn('true')
  await once(child, 'exit')
  return Number(child.pid)
}

function lockOf(pid: number, host = hostname()): Promise<void> {
  return writeFile(path, JSON.stringify({ nonce: `nonce-${pid}`, pid, host }))
}

test('one holder at a time, and no files are left', async () => {
  expect(await crowd(12)).toBe(1)
  expect(await readdir(dir)).toEqual([])
})

test('the lock is released when the work fails', async () => {
  await expect(withExclusiveLock(path, 100, () => Promise.reject(new Error('no')))).rejects.toThrow('no')
  expect(await withExclusiveLock(path, 100, async () => 'mine')).toBe('mine')
})

test('a lock whose process was killed is taken over by exactly one of many at a time', async () => {
  await lockOf(await deadPid())
  expect(await crowd(12)).toBe(1)
  expect(await readdir(dir)).toEqual([])
})

test('so is a lock whose remover was killed while removing it', async () => {
  const pid = await deadPid()
  await lockOf(pid)
  await writeFile(`${path}.nonce-${pid}.removing`, JSON.stringify({ nonce: 'second', pid, host: hostname() }))
  expect(await crowd(6)).toBe(1)
  expect(await readdir(dir)).toEqual([])
})

test('a live holder is waited for, and named after the time limit', async () => {
  await lockOf(process.pid)
  const waiting = withExclusiveLock(path, 50, async () => {})
  await expect(waiting).rejects.toThrow(UnreachableError)
  await expect(waiting).rejects.toThrow(`pid ${process.pid}`)
})

test('a lock of another host, or with a reused pid, dies when not touched', async () => {
  for (const host of ['elsewhere', hostname()]) {
    await lockOf(process.pid, host)
    await expect(withExclusiveLock(path, 50, async () => {})).rejects.toThrow(UnreachableError)
    const longAgo = new Date(Date.now() - 60_000)
    await utimes(path, longAgo, longAgo)
    expect(await withExclusiveLock(path, 1000, async () => 'mine')).toBe('mine')
  }
})

test('a file that is not one of our locks is removed once it is old', async () => {
  await writeFile(path, 'half a l')
  const longAgo = new Date(Date.now() - 60_000)
  await utimes(path, longAgo, longAgo)
  expect(await withExclusiveLock(path, 1000, async () => 'mine')).toBe('mine')
})
