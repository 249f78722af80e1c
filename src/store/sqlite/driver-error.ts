import { createRequire } from 'node:module'
import { ConfigurationError, errorCode } from '../../domain/errors.js'

/**
 * better-sqlite3 is compiled for one version of Node, one system and one processor. If it cannot be
 * loaded, a restart does not help: the message names the cause and the command to run.
 * @returns null: the error has another cause
 */
export function driverError(error: unknown): ConfigurationError | null {
  if (!(error instanceof Error)) return null
  // The original message only lists thirteen places where the compiled file is missing.
  if (error.message.startsWith('Could not locate the bindings file'))
    return new ConfigurationError(
      `${DRIVER} was not built: its install script did not run (--ignore-scripts, or pnpm without approval). ${remedy('approve')}`,
    )
  if (errorCode(error) !== 'ERR_DLOPEN_FAILED') return null
  return new ConfigurationError(`${DRIVER} ${whyNotLoaded(error.message)}. ${remedy('rebuild')}`, { cause: error })
}

const DRIVER = 'better-sqlite3, which reads and writes the store,'

function whyNotLoaded(message: string): string {
  const [built] = [...message.matchAll(/NODE_MODULE_VERSION (\d+)/g)].map((match) => match[1])
  return built === undefined
    ? `cannot be loaded on this machine (${process.platform} ${process.arch}: ${message.split('\n')[0]}). It was built for another system, processor or C library, or its file is damaged`
    : `was built for another version of Node (module version ${built}; this is Node ${process.version}, ${process.versions.modules})`
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

/**
 * The directory and the package manager of the installation. pnpm keeps packages in
 * node_modules/.pnpm.
 */
function installation(): { readonly directory: string; readonly pnpm: boolean } {
  const path = createRequire(import.meta.url)
    .resolve('better-sqlite3')
    .replaceAll('\\', '/')
  const pnpm = path.indexOf('/node_modules/.pnpm/')
  if (pnpm >= 0) return { directory: path.slice(0, pnpm), pnpm: true }
  return { directory: path.slice(0, path.lastIndexOf('/node_modules/')), pnpm: false }
}
