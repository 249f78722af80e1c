import type { Environment } from './env-file.js'
import { type Secret, secret } from './secret.js'

/** The proxy that the environment names for one address. */
export interface ApiProxy {
  /** With the password, if it has one. */
  readonly url: Secret
  /** Host and port, for people. */
  readonly host: string
  /** The variable that names it. */
  readonly name: string
}

/**
 * HTTPS_PROXY, HTTP_PROXY and NO_PROXY as undici's EnvHttpProxyAgent reads them: in lower case first; an https address
 * without a proxy of its own goes through that for http; NO_PROXY lists hosts, with or without a port, and covers
 * their subdomains. `*` is every host.
 *
 * @returns null where calls go straight to the target
 */
export function proxyFor(
  target: URL,
  env: Environment,
): ApiProxy | { readonly problem: string; readonly name: string } | null {
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
        'expected http://host:port or https://host:port of a proxy, found something else (not shown); correct it, or name the host of the API in NO_PROXY',
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

function hasReadableCredentials({ username, password }: URL): boolean {
  try {
    decodeURIComponent(username + password)
    return true
  } catch {
    return false
  }
}
