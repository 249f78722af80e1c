import { createRequire } from 'node:module'
import { types } from 'node:util'
import pino from 'pino'
import type { Logger } from '../domain/logger.js'
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
  const prettify = options.pretty ? openPretty() : null
  const withStacks = options.level === 'debug'
  const logger = pino(
    {
      level: options.level,
      base: { pid: process.pid },
      timestamp: pino.stdTimeFunctions.isoTime,
      redact: { paths: SECRET_FACTS, censor: '[secret]' },
      formatters: { level: (label) => ({ level: label }), log: (facts) => describeErrors(facts, withStacks) },
      // pino's own would take what `describeErrors` returns for an error, and describe it again.
      serializers: { err: (value: unknown) => value },
    },
    {
      write(line) {
        const clean = conceal(line)
        destination?.write(prettify === null ? clean : prettify(saidOnce(clean)))
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

/** Loaded only for a terminal: a worker under systemd or in a container starts sooner. */
function openPretty() {
  const { isColorSupported, prettyFactory } = createRequire(import.meta.url)(
    'pino-pretty',
  ) as typeof import('pino-pretty')
  return prettyFactory({ colorize: isColorSupported, translateTime: 'SYS:HH:MM:ss', ignore: 'pid', singleLine: true })
}

/** For a terminal: an error whose message is the line's own is not printed as a block with that message again. */
function saidOnce(line: string): Record<string, unknown> {
  const facts: Record<string, unknown> & { err?: DescribedError | null } = JSON.parse(line)
  // A stack is readable in a block only.
  if (facts.err?.message !== facts.msg || facts.err?.stack !== undefined) return facts
  const { err, ...others } = facts
  return { ...others, ...err, message: undefined }
}

function describeErrors(facts: Record<string, unknown>, withStacks: boolean): Record<string, unknown> {
  return Object.fromEntries(Object.entries(facts).map(([name, value]) => [name, describeError(value, withStacks)]))
}

/**
 * Shorter secrets are not replaced: they would match ordinary words, and the replacement would
 * reveal them.
 */
const SHORTEST_SECRET = 4

/** Replaces secrets in a line of JSON: JSON-escaped (which plain ones are as they stand), and URL-encoded. */
function concealer(secrets: readonly string[]): (line: string) => string {
  const forms = new Set<string>()
  for (const secret of secrets) {
    if (secret.length < SHORTEST_SECRET) continue
    forms.add(JSON.stringify(secret).slice(1, -1))
    // Through a buffer, which replaces half a surrogate pair: `encodeURIComponent` would throw.
    forms.add(encodeURIComponent(Buffer.from(secret).toString()))
  }
  // Longest first: if one secret contains another, the longer one must be replaced whole.
  const longestFirst = [...forms].sort((a, b) => b.length - a.length)
  return (line) => longestFirst.reduce((text, form) => text.replaceAll(form, '[secret]'), line)
}

/**
 * An error as log fields: its message and its causes, outermost first. The stack is included only
 * at level debug.
 */
interface DescribedError {
  readonly message: string
  readonly code?: string
  readonly causes?: readonly string[]
  readonly stack?: string
}

const DEEPEST_CAUSE = 10

/** Returns anything that is not an error unchanged. */
function describeError(value: unknown, withStack: boolean): unknown {
  if (!isError(value)) return value
  const causes = causesOf(value)
  const code = 'code' in value && typeof value.code === 'string' ? value.code : null
  const described: DescribedError = {
    message: messageOf(value),
    ...(code === null ? {} : { code }),
    ...(causes.length === 0 ? {} : { causes }),
    ...(withStack && value.stack !== undefined ? { stack: value.stack } : {}),
  }
  return described
}

function causesOf(error: Error): string[] {
  const causes: string[] = []
  let cause = error.cause
  while (cause !== undefined && cause !== null && causes.length < DEEPEST_CAUSE) {
    causes.push(isError(cause) ? messageOf(cause) : String(cause))
    cause = isError(cause) ? cause.cause : undefined
  }
  return causes
}

/** An AggregateError (such as a host with two addresses) may have no message of its own. */
function messageOf(error: Error): string {
  if (error.message !== '') return error.message
  const parts: unknown = 'errors' in error ? error.errors : null
  const messages = Array.isArray(parts) ? parts.filter(isError).map((part) => part.message) : []
  return messages.length > 0 ? messages.join('; ') : error.name
}

function isError(value: unknown): value is Error {
  return types.isNativeError(value) || value instanceof Error
}
