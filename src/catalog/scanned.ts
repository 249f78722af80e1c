/** What a scanner finds in a CSV text. */
export type Scanned = ScannedRecord | EmptyLine | SkippedLine

export interface ScannedRecord {
  readonly kind: 'record'
  /** Where it begins, from 1. */
  readonly line: number
  readonly cells: readonly string[]
  /** Lines behind its first one. */
  readonly moreLines: number
  /** A cell over several lines was closed in the middle of text. */
  readonly isTorn: boolean
  /** Where its text begins in this piece; negative: in an earlier one. */
  readonly start: number
  /** Behind its line end. */
  readonly end: number
}

/** A line with nothing on it. */
interface EmptyLine {
  readonly kind: 'empty'
  readonly line: number
}

/** A line that was given up. */
export interface SkippedLine {
  readonly kind: 'skipped'
  readonly line: number
  readonly text: string
}
