import { randomUUID } from 'node:crypto'
import { link, readFile, stat, unlink, utimes, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { UnreachableError } from '../../domain/errors.js'
import { factsOf } from '../error-facts.js'

/**
 * One process at a time, by a lock file, on any system and without a daemon. Three rules make it safe:
 * - A lock appears by `link`, which is atomic and fails where one stands; it comes with its contents.
 * - It is dead when its process is gone, or when it has not been touched for a while (the holder touches
 *   it; this covers other hosts and pids that were given to somebody else).
 * - A dead lock may only be removed by who holds the lock *on that very lock* (its name carries the dead
 *   one's nonce), after reading it once more. So two processes that find it dead at once cannot remove
 *   each other's new one. A process killed while removing leaves such a second lock, which dies by the same rules.
 */
const TOUCH_EVERY_MS = 1000
const DEAD_AFTER_MS = 15_000
const LOOK_EVERY_MS = 25

interface Holder {
  readonly nonce: string
  readonly pid: number
  readonly host: string
}

/** @throws UnreachableError when somebody else keeps the lock for longer than patienceMs */
export async function withExclusiveLock<Result>(
  path: string,
  patienceMs: number,
  work: () => Promise<Result>,
): Promise<Result> {
  const release = await acquire(path, performance.now() + patienceMs)
  try {
    return await work()
  } finally {
    await release()
  }
}

async function acquire(path: string, deadline: number): Promise<() => Promise<void>> {
  const holder: Holder = { nonce: randomUUID(), pid: process.pid, host: hostname() }
  const draft = `${path}.${holder.nonce}`
  await writeFile(draft, JSON.stringify(holder), { flag: 'wx', mode: 0o600 })
  try {
    while (!(await appears(draft, path))) {
      const other = await holderOf(path)
      if (other !== null && (await isDead(path, other))) await removeDead(path, other, deadline)
      else if (performance.now() > deadline) {
        throw new UnreachableError(
          `Another process (${other === null ? 'unknown' : `pid ${other.pid} on ${other.host}`}) is starting or stopping the private Redis and does not finish: end it, or remove ${path}.`,
        )
      } else await sleep(LOOK_EVERY_MS)
    }
  } finally {
    await unlink(draft).catch(() => {})
  }
  const touching = setInterval(() => {
    const now = new Date()
    utimes(path, now, now).catch(() => {})
  }, TOUCH_EVERY_MS)
  touching.unref()
  return async () => {
    clearInterval(touching)
    if ((await holderOf(path))?.nonce === holder.nonce) await unlink(path).catch(() => {})
  }
}

async function removeDead(path: string, dead: Holder, deadline: number): Promise<void> {
  const release = await acquire(`${path}.${dead.nonce}.removing`, deadline)
  try {
    if ((await holderOf(path))?.nonce === dead.nonce) await unlink(path)
  } finally {
    await release()
  }
}

async function appears(draft: string, path: string): Promise<boolean> {
  try {
    await link(draft, path)
    return true
  } catch (error) {
    if (factsOf(error).code === 'EEXIST') return false
    throw error
  }
}

async function holderOf(path: string): Promise<Holder | null> {
  const text = await readFile(path, 'utf8').catch(() => null)
  if (text === null) return null
  try {
    return JSON.parse(text) as Holder
  } catch {
    // Not written by `link`: a leftover of something else. Its age decides.
    return { nonce: 'unreadable', pid: 0, host: '' }
  }
}

async function isDead(path: string, holder: Holder): Promise<boolean> {
  if (holder.host === hostname() && !lives(holder.pid)) return true
  const touchedAt = await stat(path).then(
    (file) => file.mtimeMs,
    () => null,
  )
  return touchedAt !== null && Date.now() - touchedAt > DEAD_AFTER_MS
}

/** Whether there is such a process, be it ours or not. */
export function lives(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return factsOf(error).code === 'EPERM'
  }
}
