export interface StartFailure {
  readonly cause: 'broken files' | 'other'
  /** What to do; null: not known, so the message quotes `lastError` alone. */
  readonly remedy: string | null
  /** The last error or warning that it logged; empty if none. */
  readonly lastError: string
}

const REMEDIES: readonly { readonly says: RegExp; readonly remedy: string }[] = [
  { says: /No space left|quota exceeded/i, remedy: 'free some space on its disk' },
  { says: /Permission denied|Operation not permitted/i, remedy: 'make its files belong to this user' },
  { says: /Read-only file system/i, remedy: 'mount its file system writable' },
  { says: /Out Of Memory|Cannot allocate memory/i, remedy: 'give this machine more memory' },
  { says: /Address already in use/i, remedy: 'end the process that uses its socket' },
  { says: /Input\/output error/i, remedy: 'check its disk' },
  { says: /Too many open files/i, remedy: 'raise the limit of open files (ulimit -n)' },
  { says: /FATAL CONFIG FILE ERROR/i, remedy: 'install Redis 6.2 or newer' },
]

/** Signals of a crash on bad data. SIGKILL is not one: it comes from outside. */
const CRASHES: readonly (NodeJS.Signals | null)[] = ['SIGABRT', 'SIGSEGV', 'SIGBUS', 'SIGFPE', 'SIGILL']
const ABOUT_ITS_FILES = /append.?only|\bAOF\b|\bRDB\b|manifest|loading DB|Assertion|just a filename/i

/**
 * Finds out why redis-server did not start, from its output. Its files may be moved aside only if
 * they are the cause: a full disk or missing permissions would break new files as well.
 * @param output its log since the start, and stderr
 */
export function readStartFailure(output: string, signal: NodeJS.Signals | null): StartFailure {
  const lines = output.split('\n').filter(isComplaint)
  const complaints = lines.join('\n')
  const lastError = lines.at(-1)?.trim() ?? ''
  const known = REMEDIES.find(({ says }) => says.test(complaints))
  if (known !== undefined) return { cause: 'other', remedy: known.remedy, lastError }
  const broken = CRASHES.includes(signal) || (signal === null && ABOUT_ITS_FILES.test(complaints))
  return { cause: broken && !/shutdown signal/.test(output) ? 'broken files' : 'other', remedy: null, lastError }
}

/** In the log, a sign before the text is the level: `#` is a warning. Lines without one are errors at startup. */
function isComplaint(line: string): boolean {
  const level = /^\d+:[A-Z] .*?\d ([.*#-]) /.exec(line)?.[1]
  return line !== '' && (level === undefined || level === '#') && !/WARNING/.test(line)
}
