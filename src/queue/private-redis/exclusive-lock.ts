import { randomUUID } from 'node:crypto'
import { link, readFile, stat, unlink, utimes, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { UnreachableError } from '../../domain/errors.js'
import { factsOf } from '../error-facts.js'

/**
 * A lock file for one process at a time, on any system and without a daemon. Three rules make it safe:
 * - `link` creates the lock: it is atomic, fails if the lock exists, and brings the contents with it.
 * - A lock is dead when its process is gone, or when its file was not touched for 15 s. The holder touches it every
 *   second. The age covers other hosts, and pids that now belong to another process.
 * - To remove a dead lock, a process must hold a second lock *on that lock* (its name contains the dead lock's nonce),
 *   and read the dead lock again. So two processes that find it dead at the same time cannot remove each other's new
 *   lock. A process killed while removing leaves such a second lock, which is dead by the same rules.
 */
const TOUCH_EVERY_MS = 1000
const DEAD_AFTER_MS = 15_000
const RETRY_EVERY_MS = 25

interface Holder {
  readonly nonce: string
  readonly pid: number
  readonly host: string
}

/** @throws UnreachableError when another process keeps the lock for longer than patienceMs */
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
    while (!(await tryLink(draft, path))) {
      const other = await holderOf(path)
      if (other !== null && (await isDead(path, other))) await removeDead(path, other, deadline)
      else if (performance.now() > deadline) {
        throw new UnreachableError(
          `Another process (${other === null ? 'unknown' : `pid ${other.pid} on ${other.host}`}) is starting or stopping the private Redis and does not finish. End that process, or remove ${path}.`,
        )
      } else await sleep(RETRY_EVERY_MS)
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

async function tryLink(draft: string, path: string): Promise<boolean> {
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
    // Not one of our locks; its age decides whether it is dead.
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

/** Whether a process with this pid exists, of any user. */
export function lives(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return factsOf(error).code === 'EPERM'
  }
}
