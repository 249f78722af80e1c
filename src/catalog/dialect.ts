/** How a CSV or TSV text is written: what a scanner needs to know to cut it into cells. */
export interface Dialect {
  /** One UTF-16 unit; null: a file of one column, in which nothing separates cells. */
  readonly delimiter: string | null
  /** Whether a quotation mark at the start of a cell quotes it; in `none` it is a character like any other. */
  readonly quoting: 'csv' | 'none'
  /** Whether spaces before a quotation mark are no part of the cell (`1, "Harbour, late"`). */
  readonly skipsSpaces: boolean
}
