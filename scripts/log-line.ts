/** A line of a worker's or board's log, in JSON. */
export interface LogLine {
  readonly event: string
  readonly level: string
  readonly msg: string
  readonly pid: number
  readonly [fact: string]: unknown
}

/** Null: not a log line, but the output of a crash or a line that is cut off. */
export function parseLogLine(line: string): LogLine | null {
  if (!line.startsWith('{')) return null
  try {
    return JSON.parse(line) as LogLine
  } catch {
    return null
  }
}
