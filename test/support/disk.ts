import { execFile } from 'node:child_process'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'

/**
 * A disk of a few megabytes that can be filled and freed: a tmpfs of its own where this user may mount
 * one. Elsewhere the process under test is held to a file size, which its writes meet in the same place
 * with another error.
 */
export interface SmallDisk {
  /** Where its files go. */
  readonly dir: string
  /** From here on that process cannot make its files any bigger. */
  fill(pid: number): Promise<void>
  free(pid: number): Promise<void>
  remove(): Promise<void>
}

const run = promisify(execFile)

export async function smallDisk(dir: string, megabytes: number): Promise<SmallDisk> {
  await mkdir(dir, { recursive: true })
  try {
    await run('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m`, 'tmpfs', dir])
  } catch {
    return limitedProcess(dir)
  }
  const ballast = join(dir, 'ballast')
  return {
    dir,
    // More than fits: what was free when it was asked for may be taken by the time it is written.
    async fill() {
      await expectNoSpace(writeFile(ballast, Buffer.alloc(megabytes * 1024 * 1024)))
    },
    free: () => rm(ballast),
    async remove() {
      await run('umount', ['-l', dir])
      await rm(dir, { recursive: true, force: true })
    },
  }
}

async function expectNoSpace(writing: Promise<void>): Promise<void> {
  const problem = await writing.then(
    () => 'it fitted',
    (error: NodeJS.ErrnoException) => error.code,
  )
  if (problem !== 'ENOSPC') throw new Error(`expected a full disk, got: ${problem}`)
}

function limitedProcess(dir: string): SmallDisk {
  const limit = (pid: number, bytes: string) => run('prlimit', ['--pid', String(pid), `--fsize=${bytes}:unlimited`])
  return {
    dir,
    fill: async (pid) => void (await limit(pid, '4096')),
    free: async (pid) => void (await limit(pid, 'unlimited')),
    remove: () => rm(dir, { recursive: true, force: true }),
  }
}
