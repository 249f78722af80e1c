import { createRequire } from 'node:module'
import { errorCode } from '../domain/error-code.js'
import { ConfigurationError } from '../domain/errors.js'

/**
 * better-sqlite3 is compiled for one version of Node, one system and one processor. Where it cannot be loaded, starting again
 * does not help: the message names the cause and the command.
 * @returns null: the error is about something else
 */
export function driverError(error: unknown): ConfigurationError | null {
  if (!(error instanceof Error)) return null
  const cause = causeOf(error)
  return cause === null
    ? null
    : new ConfigurationError(`better-sqlite3, which reads and writes the store, ${cause}`, { cause: error })
}

function causeOf(error: Error): string | null {
  // The package "bindings" found no compiled file in any of the places where it looks.
  if (error.message.startsWith('Could not locate the bindings file'))
    return `was not built: its install script did not run (--ignore-scripts, or pnpm without approval). ${remedy('approve')}`
  if (errorCode(error) !== 'ERR_DLOPEN_FAILED') return null
  const versions = [...error.message.matchAll(/NODE_MODULE_VERSION (\d+)/g)].map((match) => match[1])
  if (versions.length > 0)
    return `was built for another version of Node (module version ${versions[0]}; this is Node ${process.version}, ${process.versions.modules}). ${remedy('rebuild')}`
  return `cannot be loaded on this machine (${process.platform} ${process.arch}: ${firstLine(error.message)}). It was built for another system, processor or C library, or its file is damaged. ${remedy('rebuild')}`
}

function remedy(what: 'approve' | 'rebuild'): string {
  const { directory, pnpm } = installation()
  const command = pnpm
    ? what === 'approve'
      ? '`pnpm approve-builds`, choose better-sqlite3, then `pnpm rebuild better-sqlite3`'
      : '`pnpm rebuild better-sqlite3`'
    : '`npm rebuild better-sqlite3`'
  return `Run ${command} in ${directory}.`
}

/** Where the packages are installed, and by whom: pnpm keeps them in node_modules/.pnpm. */
function installation(): { readonly directory: string; readonly pnpm: boolean } {
  const path = createRequire(import.meta.url)
    .resolve('better-sqlite3')
    .replaceAll('\\', '/')
  const pnpm = path.indexOf('/node_modules/.pnpm/')
  if (pnpm >= 0) return { directory: path.slice(0, pnpm), pnpm: true }
  return { directory: path.slice(0, path.lastIndexOf('/node_modules/')), pnpm: false }
}

function firstLine(text: string): string {
  return text.split('\n')[0] ?? text
}
