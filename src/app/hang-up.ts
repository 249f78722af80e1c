import { closeSync, fstatSync, openSync, readFileSync } from 'node:fs'
import { basename } from 'node:path'
import { isatty } from 'node:tty'
import { startedProgram } from '../config/env-file.js'

/**
 * Whether SIGHUP must not stop this process: it runs under `nohup`, or its shell ignores SIGHUP.
 * Node resets an ignored SIGHUP at startup, so its disposition cannot be queried. Three traces
 * remain: the command name in the shell's `_` variable, the write-only /dev/null that `nohup` opens
 * in place of a terminal on stdin, and the disposition of the parent shell. Without /proc only the
 * first is visible.
 */
export function isHangUpIgnored(): boolean {
  return basename(startedProgram()) === 'nohup' || isStdinWriteOnly() || isIgnoredByShell()
}

/** `flags:` is octal; its last two bits are the access mode. */
function isStdinWriteOnly(): boolean {
  const flags = /^flags:\s*([0-7]+)$/m.exec(readProc('self/fdinfo/0'))?.[1]
  return flags !== undefined && (Number.parseInt(flags, 8) & 0b11) === 1
}

const SHELLS = ['sh', 'bash', 'dash', 'zsh', 'ksh', 'mksh', 'ash', 'busybox', 'fish']

/** Bit 0 of `SigIgn` is SIGHUP. */
function isIgnoredByShell(): boolean {
  const status = readProc(`${process.ppid}/status`)
  const name = /^Name:\s*(\S+)$/m.exec(status)?.[1] ?? ''
  const ignored = /^SigIgn:\s*[\da-f]*([\da-f])$/m.exec(status)?.[1] ?? '0'
  return SHELLS.includes(name) && (Number.parseInt(ignored, 16) & 1) === 1
}

function readProc(path: string): string {
  try {
    return readFileSync(`/proc/${path}`, 'utf8')
  } catch {
    return ''
  }
}

/**
 * Replaces a terminal that is gone with /dev/null. Node restores the terminal modes at exit and
 * aborts (SIGABRT, core file) if it cannot.
 */
export function leaveClosedTerminal(): void {
  for (const fd of [0, 1, 2]) {
    try {
      if (!fstatSync(fd, { bigint: true }).isCharacterDevice() || isatty(fd)) continue
      closeSync(fd)
      // `open` returns the lowest free descriptor, which is this one.
      openSync('/dev/null', 'r+')
    } catch {
      // Closed already, or there is no /dev/null.
    }
  }
}
