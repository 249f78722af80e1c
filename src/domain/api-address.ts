import { isLoopback } from './loopback.js'

/**
 * The API that a store's answers come from, and which other address may replace it. Answers are reused
 * forever, so a simulator's answers must never be mistaken for the real API's, nor the reverse.
 */
export interface ApiOnRecord {
  /** Origin and path, canonical, as in the settings. */
  readonly address: string
  /** A person confirmed this address with `account --adopt`, so it is no simulator, wherever it runs. */
  readonly adopted: boolean
}

/** True for the same address, or for two on this machine: simulators often change their ports. */
export function isSameApi(onRecord: ApiOnRecord, address: string): boolean {
  if (onRecord.address === address) return true
  return !onRecord.adopted && isOnThisMachine(onRecord.address) && isOnThisMachine(address)
}

function isOnThisMachine(address: string): boolean {
  return isLoopback(new URL(address).hostname)
}
