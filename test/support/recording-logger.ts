import type { LogFacts, Logger } from '../../src/domain/logger.js'

/** Keeps every line. Tests find a line by its event; only a message for people is compared by its words. */
export interface RecordingLogger extends Logger {
  readonly lines: readonly RecordedLine[]
  logged(event: string): readonly RecordedLine[]
}

export interface RecordedLine {
  readonly level: 'debug' | 'info' | 'warn' | 'error'
  readonly facts: LogFacts
  readonly message: string
}

export function recordingLogger(): RecordingLogger {
  const lines: RecordedLine[] = []
  const at = (level: RecordedLine['level']) => (facts: LogFacts, message: string) =>
    void lines.push({ level, facts, message })
  return {
    lines,
    logged: (event) => lines.filter(({ facts }) => facts.event === event),
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
  }
}
