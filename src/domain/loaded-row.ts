import type { SearchRequest } from './request.js'

/** One row of a catalog, ready for the store: either a request or the reason why it is none. */
export interface LoadedRow {
  /** From 1, in input order, without gaps. */
  readonly position: number
  /** Where it begins in the file, from 1; the header and quoted line breaks count. */
  readonly line: number
  /** The user's own id; null where there is no id column, or nothing in it. */
  readonly key: string | null
  /** The row as read, always valid JSON: an array of cells (CSV), the object (JSONL), or a text (JSONL line that is no JSON). */
  readonly row: string
  /** Null exactly when `problem` is not. */
  readonly request: { readonly fingerprint: string; readonly request: SearchRequest } | null
  /** "line 17: expected … found …" */
  readonly problem: string | null
}
