/**
 * The user's file, opened but not read yet: its format, its columns, and its rows as a stream. A row
 * only says what is in the file; compile-rows.ts decides what becomes of it.
 */
export interface Catalog {
  /** The path as given, or the name of the stream: for messages. */
  readonly name: string
  readonly words: CatalogWords
  readonly format: 'csv' | 'jsonl'
  /** Separates cells; null for JSONL. For a file of one column: what an export of it uses. */
  readonly delimiter: string | null
  /** `none`: a quotation mark is a character like any other (TSV). */
  readonly quoting: 'csv' | 'none'
  /** The lines before the header (`sep=;`, a title), each with its LF. An export begins with them. */
  readonly preamble: string
  /** Whether an export begins with one. A mark of the catalog is not part of the first column's name. */
  readonly byteOrderMark: boolean
  /** The header in order, as written; empty for JSONL, whose rows bring their own keys. */
  readonly columns: readonly string[]
  /**
   * The names that a template may use. CSV: the name of each column with white space folded, '' if it
   * has none. JSONL: the keys of the first rows.
   */
  readonly names: readonly string[]
  /** How the file was read, if that was not obvious: "gzip", "windows-1251". The plan shows it. */
  readonly notes: readonly string[]
  /** To be called once. Throws `UsageError` where the input stops being text: another encoding, a truncated gzip file. */
  rows(): AsyncIterable<RawRow>
  /**
   * Closes the file, or ends a script's generator, for a reader that stops early. May be called twice. Leaves the
   * caller's streams open.
   */
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
  /** The name of the option for the template. */
  readonly query: string
  /** The name of the option for the id column. */
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

/** A catalog of one format; its rows come in chunks. */
export type OpenedText = Omit<Catalog, 'name' | 'words' | 'byteOrderMark' | 'rows' | 'close'> & {
  readonly chunks: AsyncGenerator<RawRow[], void, undefined>
}

/**
 * `line`: where the row begins in the file, from 1; quoted line breaks count. `problem`: why a row that was
 * read cannot be searched: some of its bytes could not be decoded.
 */
export type RawRow =
  | {
      readonly kind: 'cells'
      readonly line: number
      readonly cells: readonly string[]
      readonly problem?: string
      /** How many lines inside its quoted cells look like rows, as if a quotation mark were missing. */
      readonly rowsInside?: number
    }
  | {
      readonly kind: 'object'
      readonly line: number
      readonly text: string
      /** As JSON.parse reads it: long numbers may be rounded. See `exactRows` in exact-json.ts. */
      readonly value: Readonly<Record<string, unknown>>
      readonly problem?: string
    }
  /** Cannot be read as a row. `json` is its text, as JSON. */
  | { readonly kind: 'broken'; readonly line: number; readonly json: string; readonly problem: string }

/** A longer row is invalid, and only the beginning of its text is kept. The rows around it are read as usual. */
export const LONGEST_ROW_BYTES = 16 * 1024 * 1024
/** How many characters of a row that is too long are kept. */
export const LONG_ROW_KEPT_CHARACTERS = 200

/** Stands for a row that is too long to be kept. */
export function tooLongRow(line: number, bytes: number, json: string, lines = 1): RawRow {
  const found = `${(bytes / 1024 / 1024).toFixed(1)} MB${lines === 1 ? '' : ` over ${lines} lines`}`
  const cut = `cut to ${LONG_ROW_KEPT_CHARACTERS} characters in the export`
  return { kind: 'broken', line, json, problem: `expected a row of at most 16 MB, found one of ${found}, ${cut}` }
}
