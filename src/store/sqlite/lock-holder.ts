import { readFileSync, statSync } from 'node:fs'

export interface LockHolder {
  readonly pid: number
  /** The name of its program, such as `node`. */
  readonly program: string
  /** By Ctrl-Z or a signal. */
  readonly isSuspended: boolean
}

/** The byte of the -shm file that a writer locks: WAL_WRITE_LOCK in https://sqlite.org/walformat.html#wal_locks */
const WRITE_LOCK_BYTE = 120

/** One of the kernel's locks: pid, inode, first and last byte. Those that wait have an arrow before POSIX. */
const LOCK = /^\d+: POSIX +ADVISORY +WRITE ([1-9]\d*) [0-9a-f]+:[0-9a-f]+:(\d+) (\d+) (\d+|EOF)$/

/** Who may write to the store now; null: nobody, or not known. Only Linux tells, within one container. */
export function lockHolder(path: string): LockHolder | null {
  try {
    const { ino } = statSync(`${path}-shm`)
    for (const line of readFileSync('/proc/locks', 'utf8').split('\n')) {
      const [, pid, inode, first, last] = LOCK.exec(line) ?? []
      if (Number(inode) !== ino || Number(first) > WRITE_LOCK_BYTE || Number(last) < WRITE_LOCK_BYTE) continue
      return Number(pid) === process.pid ? null : processOf(Number(pid))
    }
  } catch {
    // No such system, file or process.
  }
  return null
}

function processOf(pid: number): LockHolder {
  // Its name is in parentheses, and may contain some.
  const [, program = '', state] = /\((.*)\) (.)/s.exec(readFileSync(`/proc/${pid}/stat`, 'utf8')) ?? []
  return { pid, program, isSuspended: state === 'T' }
}
