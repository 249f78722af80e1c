import type { ConnectionOptions } from 'node:tls'
import type { ClientConfig } from 'pg'

/** A database of a PostgreSQL server. */
export interface DatabaseAddress {
  /** `postgres://user:password@host:port/database?sslmode=…` */
  readonly url: string
  /** PEM certificates. Null: those that Node.js trusts. */
  readonly ca: string | null
}

export interface ConnectionTarget {
  readonly config: ClientConfig
  /** `postgres://user@host/database`, for messages: never the password. */
  readonly name: string
}

export function readDatabaseUrl({ url: text, ca }: DatabaseAddress): ConnectionTarget {
  const url = new URL(text)
  const user = decodeURIComponent(url.username)
  const database = decodeURIComponent(url.pathname.slice(1))
  return {
    config: {
      // An IPv6 address is in brackets in a URL.
      host: url.hostname.replace(/^\[|\]$/g, ''),
      port: url.port === '' ? 5432 : Number(url.port),
      user,
      password: decodeURIComponent(url.password),
      database,
      ssl: tlsOf(url.searchParams.get('sslmode'), ca),
    },
    name: `postgres://${user}@${url.host}/${database}`,
  }
}

/** As libpq's `sslmode`: `require` encrypts without a check of the certificate. */
function tlsOf(mode: string | null, ca: string | null): ConnectionOptions | false {
  const authorities = ca === null ? {} : { ca }
  switch (mode) {
    case 'require':
      return { rejectUnauthorized: false }
    case 'verify-ca':
      return { ...authorities, checkServerIdentity: () => undefined }
    case 'verify-full':
      return authorities
    default:
      return false
  }
}
