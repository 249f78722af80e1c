import pino from 'pino'
import { isColorSupported, prettyFactory } from 'pino-pretty'
import type { Logger } from '../domain/logger.js'
import { concealer } from './conceal.js'
import { describeError } from './describe-error.js'
import { limitRepeats } from './limit-repeats.js'

/**
 * The log: one line per decision, JSON for machines, or one readable line on a terminal. It goes to
 * stderr, because stdout is for documents. Every line is written before the call returns (no worker
 * thread, no buffer), so that the last lines of a dying process are not lost. Secrets are replaced
 * in the finished line, whatever field, message or error contained them.
 */
export interface Log extends Logger {
  /** Writes what the destination still buffers. */
  flush(): void
}

export interface LogOptions {
  readonly level: 'debug' | 'info' | 'warn' | 'error' | 'silent'
  /** Readable lines for a terminal instead of JSON. */
  readonly pretty: boolean
  /** Default: stderr. */
  readonly destination?: { write(line: string): unknown }
  /** Texts that must not appear in any line. */
  readonly secrets: readonly string[]
  /** The clock of `limitRepeats`. Default: performance.now. */
  readonly monotonicMs?: () => number
}

/** Fields that are always secret, even when their text is not in `secrets`. */
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

/** On a full disk, lines are buffered up to this size and written later. */
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
    // pino's flush retries forever when a write fails.
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
