import { type ApiOnRecord, isSameApi } from '../domain/api-address.js'
import type { Connection } from './connection.js'
import { countOf } from './ledger.js'
import type { ApiStore } from './store.js'

/**
 * The API that the answers come from: one line of `meta`, and a second one if a person adopted it.
 */
export function apiStore(connection: Connection): ApiStore {
  return {
    get: async () => connection.read(() => known(connection)),
    take: async (address) =>
      connection.write(() => {
        const before = known(connection)
        if (before !== null && !before.isUnused && !isSameApi(before, address)) return before
        if (before?.address !== address) storeAddress(connection, address, false)
        return null
      }),
    adopt: async (address) => connection.write(() => storeAddress(connection, address, true)),
  }
}

/** Null: no worker has started yet. For use inside a transaction. */
export function apiOnRecord(connection: Connection): ApiOnRecord | null {
  const row = connection.get<{ address: string; adopted: 0 | 1 }>(
    `select value as address, exists (select 1 from meta where key = 'api_adopted') as adopted
     from meta where key = 'api_address'`,
  )
  return row === undefined ? null : { address: row.address, adopted: row.adopted === 1 }
}

function known(connection: Connection): Awaited<ReturnType<ApiStore['get']>> {
  const api = apiOnRecord(connection)
  if (api === null) return null
  // A call that failed to connect or got a 5xx brought nothing. So a misspelt address can be
  // corrected freely.
  const anyOutcome = connection.get("select 1 from call_count where calls > 0 and outcome <> 'transient'")
  return { ...api, answers: countOf(connection, 'answered'), isUnused: anyOutcome === undefined }
}

function storeAddress(connection: Connection, address: string, adopted: boolean): void {
  connection.run("delete from meta where key in ('api_address', 'api_adopted')")
  connection.run("insert into meta values ('api_address', ?)", [address])
  if (adopted) connection.run("insert into meta values ('api_adopted', '1')")
}
