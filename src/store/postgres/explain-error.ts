import { ConfigurationError, errorCode, UnreachableError } from '../../domain/errors.js'

/**
 * Translates an error of the server or of the connection into a message. Any other error is a bug
 * and is returned unchanged.
 * @param hasEnded the connection is gone. Most errors of statements that were running then have no code.
 */
export function postgresError(error: unknown, database: string, hasEnded: boolean): unknown {
  if (error instanceof UnreachableError) return error
  const code = errorCode(error)
  const found = SENTENCES.find(([pattern]) => pattern.test(code))?.[1]
  const sentence = found ?? (hasEnded || isLost(error) ? LOST : null)
  if (sentence === null) return error
  const detail = code === '' ? '' : ` (${code})`
  return new UnreachableError(`The store ${database} ${sentence(detail)}`, { code: 'store_unusable', cause: error })
}

const TOO_FEW_RIGHTS =
  'gives the user too few rights. It must be allowed to create tables in its schema, and to read and change all of them.'

const LOST = (code: string): string =>
  `cannot be reached${code}. Check that PostgreSQL runs, and the network between. It is safe to try again.`

const LOCK_TIMEOUT = /^55P03$/

/** By SQLSTATE, or the system's code. */
const SENTENCES: readonly (readonly [RegExp, (code: string) => string])[] = [
  [
    LOCK_TIMEOUT,
    () =>
      'was locked by another process for too long. It unlocks itself within half a minute if that process is frozen or gone. It is safe to try again.',
  ],
  [/^53100$/, () => 'has no disk space left. Saved data is not lost. Free some space on the server and try again.'],
  [/^53300$/, () => 'takes no more connections. Raise max_connections, or stop what holds them.'],
  [/^53/, (code) => `is short of resources${code}. Check the server's log and try again.`],
  [/^25006$/, () => 'is read-only: the server may have become a standby. Point TRACKYARD_DATABASE_URL at the primary.'],
  [/^(57P0[123]|08...)$/, LOST],
  [/^(25P03|57014)$/, (code) => `ended a transaction that took too long${code}. It is safe to try again.`],
  [/^40(001|P01)$/, (code) => `gave up a transaction${code}. It is safe to try again.`],
  // A right that was revoked during a run can be granted again; until then a worker keeps what it has to save.
  [/^42501$/, () => TOO_FEW_RIGHTS],
  [/^58030$/, (code) => `cannot read or write its files${code}. Check the server's disk and log.`],
  [/^(ECONN\w+|EPIPE|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|ENOTFOUND|EAI_AGAIN|ENOENT|EACCES)$/, LOST],
]

/** pg gives these no code. */
function isLost(error: unknown): boolean {
  return (
    isReadTimeout(error) || (error instanceof Error && /^(timeout expired|Connection terminated)/.test(error.message))
  )
}

/** Another process held a lock, such as that of all writers, for too long. */
export function isLockTimeout(error: unknown): boolean {
  return LOCK_TIMEOUT.test(errorCode(error))
}

/** The server has not answered a statement in time. */
export function isReadTimeout(error: unknown): boolean {
  return error instanceof Error && error.message === 'Query read timeout'
}

/** The error of a first connection. If a restart cannot help (a wrong password), it is a `ConfigurationError`. */
export function openError(error: unknown, database: string): unknown {
  const code = errorCode(error)
  const sentence = CONFIGURATION[code] ?? (isAboutTls(error) ? TLS : undefined)
  if (sentence !== undefined) return new ConfigurationError(`The store ${database} ${sentence}`, { cause: error })
  return postgresError(error, database, true)
}

/** The same for an error of the first statements. */
export function firstError(error: unknown): unknown {
  if (!(error instanceof UnreachableError) || CONFIGURATION[errorCode(error.cause)] === undefined) return error
  return new ConfigurationError(error.message, { cause: error.cause })
}

const CONFIGURATION: Readonly<Record<string, string>> = {
  '28P01': 'refused the password. Check TRACKYARD_DATABASE_URL.',
  '28000': 'refused the user. Check the user in TRACKYARD_DATABASE_URL, and pg_hba.conf on the server.',
  '3D000': 'does not exist. Create it (`createdb`), or check the name in TRACKYARD_DATABASE_URL.',
  '42501': TOO_FEW_RIGHTS,
}

const TLS =
  "has a certificate that is not trusted. Set TRACKYARD_DATABASE_CA_FILE to the file of its authority, or check the host's name."

function isAboutTls(error: unknown): boolean {
  return /^(SELF_SIGNED|DEPTH_ZERO|UNABLE_TO_|CERT_|ERR_TLS_)/.test(errorCode(error))
}
