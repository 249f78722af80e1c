import type { Queries, Transaction } from './engine.js'

/** The table `meta`: single values, each under a key of its own. */
export type MetaKey =
  | 'schema_version'
  | 'store_id'
  /** Where the store was copied: it is not used any more. */
  | 'moved_to'
  /** The API that the answers come from, and whether a person adopted it. */
  | 'api_address'
  | 'api_adopted'
  /** The API that reported the account. */
  | 'account_api'
  /** The Redis that the workers use. */
  | 'queue_use'
  /** How many calls of unknown outcome a person has been shown. */
  | 'unknown_seen'
  /** How many there were when the balance was taken from GET /me last, or rose. */
  | 'unknown_at_balance'
  /** The last call before the probe began: an answer to a later one ends it. */
  | 'probing'
  /** When the outage began that is paused for, or probed. */
  | 'outage_from'
  /** The rate limit: its end, when it was written, and the API's message. */
  | 'hold_until'
  | 'hold_from'
  | 'hold_detail'
  | 'balance_asked_at'
  | 'balance_next_at'
  /** The last call before a pause for failures was lifted: calls up to this one no longer count. */
  | 'streak_from'
  | 'active_hours'
  | 'hours_overridden_until'

/** An expression for a value, as part of a larger query. */
export function metaSql(key: MetaKey): string {
  return `(select value from meta where key = '${key}')`
}

/** Null: it was never written. */
export async function readMeta(tx: Queries, key: MetaKey): Promise<string | null> {
  return (await tx.get<{ value: string }>('select value from meta where key = @key', { key }))?.value ?? null
}

export function writeMeta(tx: Transaction, key: MetaKey, value: string | number): void {
  tx.send(
    'insert into meta (key, value) values (@key, @value) on conflict (key) do update set value = excluded.value',
    { key, value: String(value) },
  )
}

/** Lowers a count, not below 0. */
export function decrementMeta(tx: Transaction, key: MetaKey): void {
  tx.send("update meta set value = cast(cast(value as integer) - 1 as text) where key = @key and value <> '0'", { key })
}

export function clearMeta(tx: Transaction, ...keys: readonly MetaKey[]): void {
  tx.send('delete from meta where $among(key, @keys)', { keys })
}
