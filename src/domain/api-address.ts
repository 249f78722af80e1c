import { isLoopback } from './loopback.js'

/**
 * Which API a record's answers come from, and when another address may follow. Answers are reused for ever, so
 * those of a simulator must never pass for the real API's, nor the other way round.
 */
export interface ApiOnRecord {
  /** Origin and path, canonical, as in the settings. */
  readonly address: string
  /** A person said that this is the API (`account --adopt`): no rehearsal, wherever it runs. */
  readonly adopted: boolean
}

/** The same address; or two on this machine: simulators change their ports all the time, and what they say is a rehearsal. */
export function isSameApi(onRecord: ApiOnRecord, address: string): boolean {
  if (onRecord.address === address) return true
  return !onRecord.adopted && isOnThisMachine(onRecord.address) && isOnThisMachine(address)
}

function isOnThisMachine(address: string): boolean {
  return isLoopback(new URL(address).hostname)
}
