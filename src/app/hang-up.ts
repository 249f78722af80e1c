import { closeSync, fstatSync, openSync, readFileSync } from 'node:fs'
import { basename } from 'node:path'
import { isatty } from 'node:tty'
import { shellWord } from '../config/env-file.js'

/**
 * Whether a closed terminal must not stop this process: it was started under `nohup`, or by a shell that ignores SIGHUP.
 * Node resets an ignored SIGHUP when it starts, so the disposition itself cannot be asked for; these are its traces:
 * the shell's word for what it ran, the write-only /dev/null that `nohup` gives to who read from a terminal, and the
 * shell's own disposition. Without /proc only the first is seen.
 */
export function isHangUpIgnored(): boolean {
  return basename(shellWord()) === 'nohup' || isStdinWriteOnly() || isIgnoredByShell()
}

/** `flags:` is octal; its last two bits say how the file was opened. */
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
 * Puts /dev/null in the place of a terminal that is gone: Node gives the terminal its modes back at the very end, and
 * aborts (SIGABRT, a core file) when it cannot.
 */
export function leaveClosedTerminal(): void {
  for (const fd of [0, 1, 2]) {
    try {
      if (!fstatSync(fd).isCharacterDevice() || isatty(fd)) continue
      closeSync(fd)
      // The lowest number that is free, which is this one.
      openSync('/dev/null', 'r+')
    } catch {
      // It was closed already, or there is no /dev/null.
    }
  }
}
