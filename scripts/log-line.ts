/** A JSON line of a service's log. */
export interface LogLine {
  readonly event: string
  readonly level: string
  readonly msg: string
  readonly pid: number
  readonly [fact: string]: unknown
}

/** Null for a line that is no log line: the last words of a crash, or a half-written line. */
export function parseLogLine(line: string): LogLine | null {
  if (!line.startsWith('{')) return null
  try {
    return JSON.parse(line) as LogLine
  } catch {
    return null
  }
}
