import { isLoopback } from './loopback.js'

/**
 * The API that a store's answers come from, and which other address may replace it. Answers are reused
 * forever, so a simulator's answers must never be mistaken for the real API's, nor the reverse.
 */

export interface StoredApi {
  /** Origin and path, canonical, as in the settings. */
  readonly address: string
  /** A person confirmed this address with `account --adopt`, so it is no simulator, even on this machine. */
  readonly adopted: boolean
}

/** True for the same address, or for two on this machine: simulators often change their ports. */
export function isSameApi(stored: StoredApi, address: string): boolean {
  if (stored.address === address) return true
  return !stored.adopted && isOnThisMachine(stored.address) && isOnThisMachine(address)
}

function isOnThisMachine(address: string): boolean {
  return isLoopback(new URL(address).hostname)
}
