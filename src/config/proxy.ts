import type { Environment } from './env-file.js'
import { hasReadableCredentials } from './readers.js'
import { type Secret, secret } from './secret.js'

/** The proxy that the environment sets for one address. */
export interface HttpProxy {
  /** Includes the password, if there is one. */
  readonly url: Secret
  /** Host and port, for messages. */
  readonly host: string
  /** The environment variable that sets it. */
  readonly name: string
}

/**
 * HTTPS_PROXY, HTTP_PROXY and NO_PROXY as undici's EnvHttpProxyAgent reads them. Lower-case names
 * come first. An https address without HTTPS_PROXY uses HTTP_PROXY. NO_PROXY lists hosts, with or
 * without a port, and covers their subdomains; `*` is every host.
 *
 * @returns null when calls go directly to the target
 */
export function proxyFor(
  target: URL,
  env: Environment,
): HttpProxy | { readonly problem: string; readonly name: string } | null {
  const names = target.protocol === 'https:' ? ['HTTPS_PROXY', 'HTTP_PROXY'] : ['HTTP_PROXY']
  const named = names.flatMap((name) => [name.toLowerCase(), name]).find((name) => env[name])
  const text = named === undefined ? '' : (env[named] ?? '')
  if (named === undefined || isExempt(target, env.no_proxy ?? env.NO_PROXY ?? '')) return null
  const address = text.includes('://') ? text : `http://${text}`
  const url = URL.canParse(address) ? new URL(address) : null
  if (url === null || !['http:', 'https:'].includes(url.protocol) || !hasReadableCredentials(url)) {
    return {
      name: named,
      problem:
        'expected http://host:port or https://host:port of a proxy, found something else (not shown); correct it, or add the host of the API, or of the webhook, to NO_PROXY',
    }
  }
  return { url: secret(url.href), host: url.host, name: named }
}

function isExempt(target: URL, list: string): boolean {
  if (list.trim() === '*') return true
  const port = target.port || (target.protocol === 'https:' ? '443' : '80')
  return list
    .split(/[\s,]+/)
    .filter((entry) => entry !== '')
    .some((entry) => {
      const [, named = entry, ofPort = port] = /^(.+):(\d+)$/.exec(entry) ?? []
      const host = named.replace(/^\*?\./, '').toLowerCase()
      return ofPort === port && (target.hostname === host || target.hostname.endsWith(`.${host}`))
    })
}
