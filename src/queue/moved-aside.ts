import { lstat, mkdir, readdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'

/**
 * Moves files that Redis cannot load into a directory beside them, named by the time, instead of deleting the user's
 * data. Only the newest few of these directories are kept.
 */
const PREFIX = 'broken-'
const KEPT = 3

/** @returns the directory that they are in now; null when none of them existed */
export async function moveAside(dir: string, names: readonly string[]): Promise<string | null> {
  const present: string[] = []
  for (const name of names) if ((await kindOf(join(dir, name))) !== 'absent') present.push(name)
  if (present.length === 0) return null
  const target = join(dir, `${PREFIX}${new Date().toISOString().replace(/[:.]/g, '-')}`)
  await mkdir(target, { recursive: true, mode: 0o700 })
  for (const name of present) await rename(join(dir, name), join(target, name))
  const all = (await readdir(dir)).filter((name) => name.startsWith(PREFIX)).sort()
  for (const old of all.slice(0, -KEPT)) await rm(join(dir, old), { recursive: true, force: true })
  return target
}

/** Does not follow links. */
export async function kindOf(path: string): Promise<'absent' | 'file' | 'directory' | 'other'> {
  const found = await lstat(path).catch(() => null)
  if (found === null) return 'absent'
  if (found.isDirectory()) return 'directory'
  return found.isFile() ? 'file' : 'other'
}
