import { EndedEarlyError } from '../../domain/errors.js'
import type { Cli } from './cli.js'

/**
 * Runs work that Ctrl-C may stop. The work stops through the signal, then `interrupted` gives the
 * result.
 */
export async function interruptible<T>(
  cli: Cli,
  work: (signal: AbortSignal) => Promise<T>,
  interrupted: () => T,
): Promise<T> {
  const { signal, dispose } = cli.io.interruptSignal()
  try {
    return await work(signal)
  } catch (error) {
    if (signal.aborted && isAbort(error, signal)) return interrupted()
    throw error
  } finally {
    dispose()
  }
}

/** Ctrl-C before a command has changed anything. */
export function throwInterrupted(): never {
  throw new EndedEarlyError('Interrupted: nothing was changed.')
}

function isAbort(error: unknown, signal: AbortSignal): boolean {
  if (error === signal.reason) return true
  return typeof error === 'object' && error !== null && 'name' in error && error.name === 'AbortError'
}
