import { isSameApi, type StoredApi } from '../domain/api-address.js'
import { bindAccount } from './account.js'
import type { Connection, Transaction } from './engine.js'
import { countOf } from './ledger.js'
import { clearMeta, readMeta, writeMeta } from './meta.js'

export interface KnownApi extends StoredApi {
  readonly answers: number
  /**
   * No call has brought an outcome, or may still bring one: the store is not tied to this address.
   */
  readonly isUnused: boolean
}

export interface ApiStore {
  /** Null: no worker has started yet. */
  get(): Promise<KnownApi | null>
  /**
   * Stores the address if there is none, or if it may change: the stored one is unused, or is the
   * same API (`isSameApi`). Otherwise changes nothing and returns the stored one.
   */
  take(address: string): Promise<KnownApi | null>
  /** A person confirms that this is the API. */
  adopt(address: string): Promise<void>
}

/** The API that the answers come from. */
export function apiStore(connection: Connection): ApiStore {
  return {
    get: () => connection.read(known),
    take: (address) =>
      connection.write(async (tx) => {
        const before = await known(tx)
        if (before !== null && !before.isUnused && !isSameApi(before, address)) return before
        if (before?.address !== address) storeAddress(tx, address, false)
        await bindAccount(tx, address)
        return null
      }),
    adopt: (address) => connection.write(async (tx) => storeAddress(tx, address, true)),
  }
}

async function known(tx: Transaction): Promise<KnownApi | null> {
  const address = await readMeta(tx, 'api_address')
  if (address === null) return null
  const adopted = (await readMeta(tx, 'api_adopted')) !== null
  // A call that failed to connect or got a 5xx brought nothing. So a misspelt address can be
  // corrected freely.
  const anyOutcome = await tx.get("select 1 from call_count where calls > 0 and outcome <> 'transient'")
  return { address, adopted, answers: await countOf(tx, 'answered'), isUnused: anyOutcome === undefined }
}

function storeAddress(tx: Transaction, address: string, adopted: boolean): void {
  writeMeta(tx, 'api_address', address)
  if (adopted) writeMeta(tx, 'api_adopted', '1')
  else clearMeta(tx, 'api_adopted')
}
