import { errorCode } from '../domain/error-code.js'
import { ProxyError } from './connect.js'

/** Why a call failed, as a phrase for people that names what to fix. */
export function networkProblem(error: unknown): string {
  if (error instanceof ProxyError) return error.message
  const code = errorCode(error)
  const message = error instanceof Error ? error.message : String(error)
  return wellKnown(code) ?? protocolProblem(code, message) ?? [code, message].filter(Boolean).join(': ')
}

function wellKnown(code: string): string | null {
  switch (code) {
    case 'ECONNREFUSED':
      return 'connection refused'
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return 'host name not found'
    case 'ETIMEDOUT':
      return 'no connection in time'
    case 'ECONNRESET':
    case 'EPIPE':
      return 'connection lost'
    default:
      return null
  }
}

/** Error codes of Node and OpenSSL, most of them for an untrusted certificate. */
function protocolProblem(code: string, message: string): string | null {
  switch (code) {
    case 'SELF_SIGNED_CERT_IN_CHAIN':
    case 'DEPTH_ZERO_SELF_SIGNED_CERT':
    case 'UNABLE_TO_VERIFY_LEAF_SIGNATURE':
    case 'UNABLE_TO_GET_ISSUER_CERT':
    case 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY':
      return `TLS: the certificate comes from an unknown authority (${message}); for a private one, set NODE_EXTRA_CA_CERTS to the file of its certificate`
    case 'CERT_HAS_EXPIRED':
      return 'TLS: the certificate has expired; check the clock of this machine and the certificate of the server'
    case 'CERT_NOT_YET_VALID':
      return 'TLS: the certificate is not valid yet; check the clock of this machine'
    case 'ERR_TLS_CERT_ALTNAME_INVALID':
      return `TLS: the certificate is for another host (${message}); check TRACKYARD_API_URL`
    default:
      if (code.startsWith('HPE_')) return `no proper HTTP: ${message.replace(/^(Error: )?Parse Error: /, '')}`
      return /^(ERR_SSL_|EPROTO)/.test(code) ? `TLS failed (${code}): ${message}` : null
  }
}

/**
 * A server that requires a client certificate rejects the connection after our side of the handshake. The
 * request is then already sent, but the server has not read it.
 */
export function isRefusedHandshake(error: unknown): boolean {
  return /^ERR_SSL_\w*ALERT_(CERTIFICATE_REQUIRED|BAD_CERTIFICATE|UNKNOWN_CA|HANDSHAKE_FAILURE|ACCESS_DENIED)$/.test(
    errorCode(error),
  )
}
