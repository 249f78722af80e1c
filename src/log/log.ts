import pino from 'pino'
import { isColorSupported, prettyFactory } from 'pino-pretty'
import type { Logger } from '../domain/logger.js'
import { concealer } from './conceal.js'
import { describeError } from './describe-error.js'
import { limitRepeats } from './limit-repeats.js'

/**
 * The log: one line for one decision, JSON for machines, one readable line on a terminal; to stderr,
 * because stdout is for documents. Every line is written before the call returns (no worker thread, no
 * buffer), so that the last words of a dying process are not lost. Secrets are taken out of the
 * finished line, whatever field, message or error they came in by.
 */
export interface Log extends Logger {
  /** Writes what a destination may still hold. */
  flush(): void
}

export interface LogOptions {
  readonly level: 'debug' | 'info' | 'warn' | 'error' | 'silent'
  /** For eyes on a terminal instead of JSON lines. */
  readonly pretty: boolean
  /** Default: stderr. */
  readonly destination?: { write(line: string): unknown }
  /** Texts that no line may contain. */
  readonly secrets: readonly string[]
  /** For the minute of lines that repeat. Default: performance.now. */
  readonly monotonicMs?: () => number
}

/** Names of facts that are secret by their nature, also where nobody told us the text. */
const SECRET_FACTS = ['apiKey', 'authorization', 'password'].flatMap((name) => [name, `*.${name}`, `*.*.${name}`])

export function openLog(options: LogOptions): Log {
  const stderr = options.destination === undefined ? openStderr() : null
  const destination = options.destination ?? stderr
  const conceal = concealer(options.secrets)
  const prettify = options.pretty ? prettyFactory(PRETTY) : null
  const withStacks = options.level === 'debug'
  const logger = pino(
    {
      level: options.level,
      base: { pid: process.pid },
      timestamp: pino.stdTimeFunctions.isoTime,
      redact: { paths: SECRET_FACTS, censor: '[secret]' },
      formatters: { level: (label) => ({ level: label }), log: (facts) => describeErrors(facts, withStacks) },
      serializers: { err: (value: unknown) => value },
    },
    {
      write(line) {
        const clean = conceal(line)
        destination?.write(prettify === null ? clean : prettify(clean))
      },
    },
  )
  const lines: Logger = {
    debug: (facts, message) => logger.debug(facts, message),
    info: (facts, message) => logger.info(facts, message),
    warn: (facts, message) => logger.warn(facts, message),
    error: (facts, message) => logger.error(facts, message),
  }
  return {
    ...limitRepeats(lines, options.monotonicMs ?? (() => performance.now())),
    flush: () => stderr?.flush(),
  }
}

/** What a full disk keeps from being written is written later, up to this much. */
const MOST_HELD_BYTES = 1024 * 1024

/** A log that cannot be written (a closed terminal, a full disk) must not end the process. */
function openStderr(): { write(line: string): void; flush(): void } {
  const stream = pino.destination({ fd: 2, sync: true, maxLength: MOST_HELD_BYTES })
  let isFailing = false
  stream.on('error', () => {
    isFailing = true
  })
  stream.on('write', () => {
    isFailing = false
  })
  return {
    write: (line) => void stream.write(line),
    // The library's flush tries for ever where a write fails.
    flush: () => {
      if (!isFailing) stream.flushSync()
    },
  }
}

const PRETTY = {
  colorize: isColorSupported,
  translateTime: 'SYS:HH:MM:ss',
  ignore: 'pid',
  singleLine: true,
}

function describeErrors(facts: Record<string, unknown>, withStacks: boolean): Record<string, unknown> {
  return Object.fromEntries(Object.entries(facts).map(([name, value]) => [name, describeError(value, withStacks)]))
}
