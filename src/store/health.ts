import type { WriteFailure } from '../domain/write-failure.js'

/** Whether the store is whole and in its place, and what is done when it is not. */
export interface StoreHealth {
  /**
   * Whether the files that are open are still the store, whole and in their place. Null: they are. Asked in microseconds. While
   * they are not, nothing new is begun: claims and changes are refused with `UnreachableError`; the ends of calls are taken.
   */
  trouble(): WriteFailure | null
  /**
   * Saves what only this process still has of a lost store. `last`: this process is about to close it. False: what was
   * committed is not safe, since the store is damaged, or a copy could not be written.
   */
  rescue(last: boolean): Promise<boolean>
  /** A check found it damaged: nothing new is begun. */
  reportDamage(what: string): void
}
