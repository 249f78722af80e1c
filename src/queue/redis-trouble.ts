import { UnreachableError } from '../domain/errors.js'
import { factsOf } from './error-facts.js'

/**
 * What Redis (or the network before it) said, as one sentence with the next step. Commands that meet an
 * absent Redis wait for its return; what is translated here is a first connect that failed and the
 * answers that waiting does not cure: wrong password, read-only, full.
 * Errors that are no trouble of Redis pass through unchanged: they are bugs.
 */
export function explain(error: unknown, where: string): unknown {
  const sentence = sentenceFor(error, where)
  return sentence === null ? error : new UnreachableError(sentence, { cause: error })
}

/** The same part, with every error of its promises explained. */
export function speakingPlainly<Part extends object>(part: Part, where: string): Part {
  const methods = Object.entries(part).map(([name, method]) => [
    name,
    (...words: unknown[]) => {
      const result: unknown = method(...words)
      return result instanceof Promise
        ? result.catch((error: unknown) => Promise.reject(explain(error, where)))
        : result
    },
  ])
  return Object.fromEntries(methods) as Part
}

function sentenceFor(error: unknown, where: string): string | null {
  if (error instanceof UnreachableError) return null
  const { code, message, name } = factsOf(error)
  const said = `${code} ${message}`
  switch (true) {
    case /ECONNREFUSED|ENOENT/.test(said):
      return `${where} does not answer: start it, or correct TRACKYARD_REDIS_URL.`
    case /ENOTFOUND|EAI_AGAIN/.test(said):
      return `The host name of ${where} is unknown: correct TRACKYARD_REDIS_URL.`
    case /EACCES|EPERM/.test(code):
      return `This user may not open the socket of ${where}: run as the user who started it.`
    case /ETIMEDOUT|EHOSTUNREACH|ENETUNREACH/.test(said):
      return `${where} cannot be reached from here: check the host, the port and the firewall.`
    case /NOAUTH|Authentication required/.test(said):
      return `${where} wants a password: put it into TRACKYARD_REDIS_URL, as in redis://:password@host:6379.`
    case /WRONGPASS|invalid password|invalid username-password|no password is set/i.test(said):
      return `${where} refused the user or the password in TRACKYARD_REDIS_URL.`
    case /NOPERM/.test(said):
      return `The Redis user of ${where} lacks permissions: it needs all commands on keys that start with {trackyard}.`
    case /READONLY/.test(said):
      return `${where} is read-only (a replica): use the address of the primary.`
    case /\bOOM\b/.test(said):
      return `${where} is full (maxmemory reached): give it more memory, or free some; about 20 MB are needed here.`
    case /MISCONF/.test(said):
      return `${where} cannot write to its disk and refuses changes: free disk space there, then try again.`
    case /LOADING/.test(said):
      return `${where} is still loading its data: try again in a moment.`
    case /MOVED|CROSSSLOT|CLUSTERDOWN/.test(said):
      return `${where} is a node of a Redis Cluster, which this version does not follow: use a single Redis.`
    case /Protocol error|ParserError|RESP type|wrong version number|SSL|EPROTO|unknown command|ECONNRESET|EPIPE/i.test(
      `${name} ${said}`,
    ):
      return `${where} does not speak like a Redis: check host, port, and redis:// against rediss:// (TLS).`
    default:
      return null
  }
}
