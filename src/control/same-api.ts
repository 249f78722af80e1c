import { isSameApi } from '../domain/api-address.js'
import { ConfigurationError } from '../domain/errors.js'
import { pluralize } from '../domain/format.js'
import type { KnownApi, Store } from '../store/store.js'

/**
 * A store belongs to one API. A worker records the address before its first call, and every claim checks
 * it again. `submit` checks it before it reuses an answer. Another address is refused: otherwise a
 * simulator's made-up answers could end up in a customer's catalog unnoticed. If the API has only moved,
 * a person confirms it with `account --adopt`.
 */

export interface SameApiParts {
  readonly store: Pick<Store, 'name' | 'api'>
  /** Canonical, as in the settings. */
  readonly apiUrl: string
}

/** Called when a worker starts. @throws ConfigurationError when the store belongs to another API */
export async function bindStoreToApi({ store, apiUrl }: SameApiParts): Promise<void> {
  const another = await store.api.take(apiUrl)
  if (another !== null) throw anotherApi(another, store.name, apiUrl)
}

/**
 * Called while a worker runs: somebody may have adopted another address, or claimed a store without answers.
 * @throws ConfigurationError when the store belongs to another API
 */
export async function requireSameApi({ store, apiUrl }: SameApiParts): Promise<void> {
  const api = await store.api.get()
  if (api !== null && !isSameApi(api, apiUrl)) throw anotherApi(api, store.name, apiUrl)
}

/** Called before answers are reused; writes nothing. @throws ConfigurationError where a worker would be refused */
export async function requireCompatibleApi({ store, apiUrl }: SameApiParts): Promise<void> {
  const api = await store.api.get()
  if (api !== null && !api.isUnused && !isSameApi(api, apiUrl)) throw anotherApi(api, store.name, apiUrl)
}

function anotherApi(api: KnownApi, path: string, apiUrl: string): ConfigurationError {
  return new ConfigurationError(
    `The store ${path} belongs to the API at ${api.address} (${pluralize(api.answers, 'answer')}), and ` +
      `TRACKYARD_API_URL is ${apiUrl}: answers of two APIs are never mixed. Set TRACKYARD_DATA_DIR to another ` +
      'directory, or TRACKYARD_API_URL to the address in the store. Only if it is the same API at a new address: ' +
      '`trackyard-batch account --adopt`.',
    { code: 'another_api' },
  )
}
