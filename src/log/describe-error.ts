import { types } from 'node:util'

/**
 * An error as log fields: its message and its causes, outermost first. The stack is included only
 * at level debug.
 */
export interface DescribedError {
  readonly message: string
  readonly code?: string
  readonly causes?: readonly string[]
  readonly stack?: string
}

const DEEPEST_CAUSE = 10

/** Returns anything that is not an error unchanged. */
export function describeError(value: unknown, withStack: boolean): unknown {
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
  const seen = new Set<unknown>([error])
  let cause = error.cause
  while (cause !== undefined && cause !== null && !seen.has(cause) && causes.length < DEEPEST_CAUSE) {
    seen.add(cause)
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
