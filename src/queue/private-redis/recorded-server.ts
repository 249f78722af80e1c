import { execFile } from 'node:child_process'
import { readFile, readlink, realpath } from 'node:fs/promises'
import { promisify } from 'node:util'
import { kindOf } from '../moved-aside.js'
import { lives } from './exclusive-lock.js'
import type { ServerFiles } from './redis-server.js'

/**
 * The process in the pid file, if it still is this directory's redis-server. After a kill the pid may belong to
 * another process (for example, a shell in that directory), which must neither prevent a start nor be stopped.
 */
export async function recordedServer(files: ServerFiles): Promise<number | null> {
  // Reading a pipe would never end.
  if ((await kindOf(files.pidFile)) === 'other') return null
  const pid = Number((await readFile(files.pidFile, 'utf8').catch(() => '')).trim())
  if (!Number.isInteger(pid) || pid < 2 || !lives(pid)) return null
  return (await isServerOf(pid, files)) ? pid : null
}

async function isServerOf(pid: number, files: ServerFiles): Promise<boolean> {
  const cwd = await readlink(`/proc/${pid}/cwd`).catch(() => null)
  if (cwd !== null) {
    const name = await readFile(`/proc/${pid}/comm`, 'utf8').catch(() => '')
    return /redis|valkey/.test(name) && cwd === (await realpath(files.dir).catch(() => files.dir))
  }
  const { stdout } = await promisify(execFile)('ps', ['-p', String(pid), '-o', 'command=']).catch(() => ({
    stdout: '',
  }))
  return stdout.includes('redis-server') && stdout.includes(files.socketPath)
}
