import type { WriteFailure } from '../domain/pause.js'

/** Whether the store is intact and in its place, and what to do if it is not. */
export interface StoreHealth {
  /**
   * Whether the open files are still the store. Null: they are. Takes microseconds. While it is not
   * null, nothing new starts: claims and changes throw `UnreachableError`, but the ends of calls
   * are still written.
   */
  trouble(): WriteFailure | null
  /**
   * Saves the data of a lost store that only this process has. `last`: this process is about to
   * close it. False: committed data is not safe, because the store is damaged or a copy could not
   * be written.
   */
  rescue(last: boolean): Promise<boolean>
  /** Reports damage that a check found: nothing new starts. */
  reportDamage(what: string): void
}
