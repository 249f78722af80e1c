import type { SearchRequest } from './request.js'

/** One row of a catalog, ready for the store: a request, or the problem with the row. */
export interface LoadedRow {
  /** From 1, in input order, without gaps. */
  readonly position: number
  /** The line in the file where the row begins, from 1; the header and quoted line breaks count. */
  readonly line: number
  /** The user's own id; null where there is no id column, or nothing in it. */
  readonly key: string | null
  /** The row as read, always valid JSON: an array of cells (CSV), the object (JSONL), or a string (invalid JSONL line). */
  readonly row: string
  /** Null exactly when `problem` is not. */
  readonly request: { readonly fingerprint: string; readonly request: SearchRequest } | null
  /** "line 17: expected … found …" */
  readonly problem: string | null
}
