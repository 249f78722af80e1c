/**
 * A catalog is the user's file, opened and understood but not yet read: format, columns, and the rows
 * as they come. Rows are facts about the file only; what becomes of them is decided in compile-rows.ts.
 */
export interface Catalog {
  /** The path as given, or the name of the stream: for messages. */
  readonly name: string
  readonly words: CatalogWords
  readonly format: 'csv' | 'jsonl'
  /** Between cells; null for JSONL. For a file of one column the one that an export uses. */
  readonly delimiter: string | null
  /** `none`: a quotation mark is a character like any other (TSV). */
  readonly quoting: 'csv' | 'none'
  /** The lines before the header (`sep=;`, a title), which an export begins with; each ends in LF. */
  readonly preamble: string
  /** Whether it began with a byte order mark, which is not part of the first column's name. */
  readonly byteOrderMark: boolean
  /** The header in order, as written; empty for JSONL, whose rows bring their own keys. */
  readonly columns: readonly string[]
  /**
   * What a template may name: for each column its name with white space folded, '' where it has none; for JSONL the
   * keys of the first rows.
   */
  readonly names: readonly string[]
  /** How the file was read where that was no matter of course, for the plan: "gzip", "windows-1251". */
  readonly notes: readonly string[]
  /** Once only. Throws `UsageError` where the input stops being text (another encoding, a gzip file that is cut off). */
  rows(): AsyncIterable<RawRow>
  /** Closes the file; for whoever stops before the last row. May be called twice. Given streams are left alone. */
  close(): void
}

/** What messages call the parts of a catalog: a file has lines and columns, a script's rows have properties. */
export interface CatalogWords {
  /** "line 17", "row 17" */
  readonly row: 'line' | 'row'
  readonly column: 'column' | 'property'
  readonly columns: 'columns' | 'properties'
  /** "the column x, which …" */
  readonly isMissing: string
  /** How its options are given. */
  readonly query: string
  readonly id: string
}

export const FILE_WORDS: CatalogWords = {
  row: 'line',
  column: 'column',
  columns: 'columns',
  isMissing: 'which the catalog does not have',
  query: '--query',
  id: '--id',
}

export const ROW_WORDS: CatalogWords = {
  row: 'row',
  column: 'property',
  columns: 'properties',
  isMissing: 'which no row has',
  query: 'the option query',
  id: 'The option id',
}

/** A catalog of one format, its rows a batch at a time. */
export type OpenedText = Omit<Catalog, 'name' | 'words' | 'byteOrderMark' | 'rows' | 'close'> & {
  readonly batches: AsyncGenerator<RawRow[], void, undefined>
}

/**
 * `line` is where the row begins in the file, from 1, true also behind quoted line breaks. `problem` of a row that was
 * read is why it cannot be searched: bytes in it could not be decoded.
 */
export type RawRow =
  | {
      readonly kind: 'cells'
      readonly line: number
      readonly cells: readonly string[]
      readonly problem?: string
      /** How many lines inside its quoted cells look like rows of their own: is a quotation mark missing? */
      readonly rowsInside?: number
    }
  | {
      readonly kind: 'object'
      readonly line: number
      readonly text: string
      /** As JSON.parse reads it, so that long numbers may be others: see exact-row.ts. */
      readonly value: Readonly<Record<string, unknown>>
      readonly problem?: string
    }
  /** Not to be read as a row. `json` keeps what stood there, as JSON. */
  | { readonly kind: 'broken'; readonly line: number; readonly json: string; readonly problem: string }

/** The longest row: a longer one is not kept, and costs nothing but itself. */
export const LONGEST_ROW_BYTES = 16 * 1024 * 1024
/** What is kept of a row that is too long, in characters. */
export const BEGINNING = 200

/** A row in place of one that is too long to be read. */
export function tooLongRow(line: number, bytes: number, json: string, lines = 1): RawRow {
  const found = `${(bytes / 1024 / 1024).toFixed(1)} MB${lines === 1 ? '' : ` over ${lines} lines`}`
  return { kind: 'broken', line, json, problem: `expected a row of at most 16 MB, found one of ${found}` }
}
