import { createScanner } from './csv-scanner.js'
import type { Dialect } from './dialect.js'

/** A record at the beginning of the file, for guessing how the file is written. */
export interface SampleRecord {
  readonly line: number
  readonly cells: readonly string[]
  readonly moreLines: number
  /** Of the sample. */
  readonly start: number
  readonly end: number
}

export interface Sampled {
  readonly records: readonly SampleRecord[]
  /** The text ends inside a quoted cell. */
  readonly isOpen: boolean
}

/** @param isAll whether the file ends behind the text; else its last record may be cut and is left out */
export function sampleRecords(
  text: string,
  dialect: Dialect,
  { most, isAll }: { most: number; isAll: boolean },
): Sampled {
  const scanner = createScanner(dialect, 1)
  scanner.give(text)
  const records: SampleRecord[] = []
  while (records.length < most) {
    const found = scanner.next()
    if (found === null) {
      const { last, isOpen } = scanner.end()
      if (last?.kind === 'record' && !isOpen && isAll) records.push(last)
      return { records, isOpen }
    }
    if (found.kind === 'record') records.push(found)
  }
  return { records, isOpen: false }
}
