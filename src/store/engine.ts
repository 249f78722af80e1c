import { UsageError } from '../domain/errors.js'
import type { WriteFailure } from '../domain/pause.js'

/**
 * A connection to the database, whichever engine it is. Everything runs in a transaction, and there is
 * one writer at a time over all processes: what a change has read stays true until it is committed.
 */
export interface Connection {
  /**
   * One write transaction: all of it or nothing. `work` awaits nothing but its own statements, unless it is a copy. It
   * must not open another transaction of this connection, which would wait for its end.
   * @throws UnreachableError for a database that is locked, out of reach, full, or not the store
   * any more
   */
  write<T>(work: (tx: Transaction) => Promise<T>, purpose?: WritePurpose): Promise<T>
  /** A read transaction: one consistent view. */
  read<T>(work: (tx: Transaction) => Promise<T>): Promise<T>
  /** A consistent view that lasts until it is closed, on a connection of its own. */
  snapshot(): Promise<Snapshot>
  /** @throws UnreachableError when no change may be written */
  refuseIfLost(): void
  /** Waits for the transactions that have begun. Later ones throw `closedError`. */
  close(): Promise<void>
}

/** For a script that closes its client while another call of it is going on. */
export function closedError(): UsageError {
  return new UsageError('The store was closed before this call had ended. Await every call before close().')
}

/**
 * What a write is for. What must be kept (the end of a call may be paid for) is written even to an
 * open file that was deleted or replaced: it is rescued from there. A copy keeps all others from writing for as long as
 * it reads, which may take minutes.
 */
export type WritePurpose = 'change' | 'must be kept' | 'copy'

/**
 * Parameters are named in the text: `@name`. SQL that differs between the engines is written as a
 * fragment, such as `$among(search.id, @ids)`; see `Fragments`.
 */
export interface Queries {
  get<Row>(text: string, parameters?: SqlParameters): Promise<Row | undefined>
  all<Row>(text: string, parameters?: SqlParameters): Promise<Row[]>
}

export interface Transaction extends Queries {
  /** Returns how many rows it changed. */
  run(text: string, parameters?: SqlParameters): Promise<number>
  /** A change whose result nobody needs. If it fails, the transaction fails, at the latest when it commits. */
  send(text: string, parameters?: SqlParameters): void
  /**
   * Inserts many rows. In a transaction of `Engine.loader` only.
   * @param into table and columns: `want (batch_id, search_id)`
   * @param width values per row
   * @param values of all rows, one after another
   */
  insert(into: string, width: number, values: readonly SqlValue[]): Promise<void>
  /**
   * Reserves this many consecutive ids for new searches, above all earlier ones. Returns the first.
   */
  reserveIds(count: number): Promise<number>
}

export interface Snapshot extends Queries {
  close(): Promise<void>
}

export type SqlValue = string | number | Buffer | null
/** A list is for `$among` only. */
export type SqlParameters = Readonly<Record<string, SqlValue | readonly (number | string)[]>>

/** The SQL of each engine for `$name(arguments)` in a text. */
export interface Fragments {
  /** The column has a value of the list. */
  among(column: string, list: string): string
  /** The column has the bytes of one of these hexadecimal numbers. */
  amongHex(column: string, list: string): string
  /** The text is part of the column's, whatever their case. Null for a null. */
  contains(column: string, text: string): string
  /** A query for the rows of a JSON array of pairs of numbers. */
  pairs(json: string): string
  /** A query for the rows of a JSON array whose elements are [fingerprint in hexadecimal, generation, round]. */
  refs(json: string): string
  /** Names the index to use, where a planner without statistics would choose wrong. */
  by(index: string): string
  /** Uses the primary key, and no index. */
  unindexed(): string
  /** A join whose left side is read first. */
  next(): string
}

export function expandFragments(text: string, fragments: Fragments): string {
  const known: Readonly<Record<string, (...words: string[]) => string>> = { ...fragments }
  return text.replace(/\$(\w+)\(([^()]*)\)/g, (_, name: string, words: string) => {
    const fragment = known[name]
    if (fragment === undefined) throw new Error(`unknown SQL fragment "${name}"`)
    return fragment(...words.split(',').map((word) => word.trim()))
  })
}

/** An opened database. */
export interface Engine {
  /** For messages: its path, or its address without the password. */
  readonly name: string
  readonly connection: Connection
  /** For changes that insert many rows. It connects when it is used first. */
  readonly loader: Connection
  /** For expensive reads. */
  readonly reader: Connection
  readonly health: StoreHealth
  /** How many changes share the next commit at most. */
  groupSize(): number
  /** How many rows of a catalog to insert in one transaction: others wait for it. */
  readonly rowsPerChunk: number
  /** The last id of each table whose ids are never reused. */
  lastIds(tx: Queries, tables: readonly string[]): Promise<ReadonlyMap<string, number>>
  setLastIds(tx: Transaction, ids: ReadonlyMap<string, number>): Promise<void>
}

/** Whether the store is intact and in its place, and what to do if it is not. */
export interface StoreHealth {
  /**
   * Whether the open files are still the store. Null: they are. Takes microseconds. While it is not
   * null, nothing new starts: claims and changes throw `UnreachableError`, but the ends of calls
   * are still written.
   */
  writeFailure(): WriteFailure | null
  /**
   * Saves the data of a lost store that only this process has. `last`: this process is about to
   * close it. False: committed data is not safe, because the store is damaged or a copy could not
   * be written.
   */
  rescue(last: boolean): Promise<boolean>
  /** Reports damage that a check found: nothing new starts. */
  reportDamage(what: string): void
}

/** Runs one piece of work after another, in the order in which they were asked for. */
export type Mutex = <T>(work: () => Promise<T>) => Promise<T>

export function mutex(): Mutex {
  let last: Promise<unknown> = Promise.resolve()
  return (work) => {
    const result = last.then(work)
    last = result.catch(() => {})
    return result
  }
}
