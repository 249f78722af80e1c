import { isSameApi } from '../domain/api-address.js'
import { ConfigurationError } from '../domain/errors.js'
import type { KnownApi, Store } from '../store/store.js'

/**
 * A record keeps to one API. A worker takes the address before its first call, and every claim looks at it again; a
 * submit looks before it reuses an answer. Another address is refused, since answers that a simulator made
 * up would end in a customer's catalog without a word. Where the API has only moved, a person says so.
 */
export interface SameApiParts {
  readonly store: Pick<Store, 'path' | 'api'>
  /** Canonical, as in the settings. */
  readonly apiUrl: string
}

/** For a worker that starts. @throws ConfigurationError when the record belongs to another API */
export async function takeApi({ store, apiUrl }: SameApiParts): Promise<void> {
  const another = await store.api.take(apiUrl)
  if (another !== null) throw anotherApi(another, store.path, apiUrl)
}

/** For a worker that runs: somebody adopted another address, or took a record without answers. @throws ConfigurationError */
export async function keepApi({ store, apiUrl }: SameApiParts): Promise<void> {
  const api = await store.api.get()
  if (api !== null && !isSameApi(api, apiUrl)) throw anotherApi(api, store.path, apiUrl)
}

/** For who reuses answers: nothing is written. @throws ConfigurationError where a worker would be refused */
export async function checkApi({ store, apiUrl }: SameApiParts): Promise<void> {
  const api = await store.api.get()
  if (api !== null && !api.isUnused && !isSameApi(api, apiUrl)) throw anotherApi(api, store.path, apiUrl)
}

function anotherApi(api: KnownApi, path: string, apiUrl: string): ConfigurationError {
  return new ConfigurationError(
    `The record ${path} belongs to the API at ${api.address} (${api.answers.toLocaleString('en-US')} answers), and ` +
      `TRACKYARD_API_URL is ${apiUrl}: answers of two APIs are never mixed. Set TRACKYARD_DATA_DIR to another ` +
      'directory, or TRACKYARD_API_URL to the address on record. Only if it is the same API at a new address: ' +
      '`trackyard-batch account --adopt`.',
  )
}
