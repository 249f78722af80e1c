import { ConfigurationError, UnreachableError } from '../domain/errors.js'

/**
 * The store is out of reach, or refuses this process (a changed password, revoked rights). No bug of ours, and the same for
 * every change.
 */
export type StoreFailure = UnreachableError | ConfigurationError

export function isStoreFailure(error: unknown): error is StoreFailure {
  return error instanceof UnreachableError || error instanceof ConfigurationError
}
