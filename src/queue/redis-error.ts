import { orAborted } from '../domain/abortable.js'
import { UnreachableError } from '../domain/errors.js'

/**
 * Translates errors of Redis and of the network into one sentence with the next step. Commands wait for a Redis that
 * is away. So these are failures of the first connect, and answers that waiting does not cure: wrong
 * password, read-only, full, damaged. Any other error passes unchanged: it is a bug.
 */
export class RedisFailure extends UnreachableError {
  readonly kind: RedisFailureKind
  constructor(kind: RedisFailureKind, message: string, cause: unknown) {
    super(message, { code: 'redis_unreachable', cause })
    this.kind = kind
  }
}

export type RedisFailureKind = (typeof EXPLANATIONS)[number]['kind']

export function toQueueError(error: unknown, where: string): unknown {
  if (error instanceof UnreachableError) return error
  const found = explanationOf(error)
  return found === undefined ? error : new RedisFailure(found.kind, found.message(where), error)
}

function explanationOf(error: unknown) {
  return EXPLANATIONS.find(({ says }) => says.test(textOf(error)))
}

/** Once the connection has been up. At the first connect, such an error has another reason. */
const LOST = /Connection is closed|Socket timeout|ECONNRESET|EPIPE|Failed to refresh slots cache|Cluster is ended/

/** Whether Redis cannot be reached any more. The connection logs such outages, once each. */
export function isOutage(error: unknown): boolean {
  return LOST.test(textOf(error)) || explanationOf(error)?.kind === 'redis.unreachable'
}

/** A key holds something else than it should. */
export function isWrongType(error: unknown): boolean {
  return factsOf(error).message.includes('WRONGTYPE')
}

/** Redis cannot write to its disk, and refuses every change. */
export function isDiskFailure(error: unknown): boolean {
  return error instanceof RedisFailure && error.kind === 'redis.disk_failed'
}

/**
 * Wraps a part so that its promises reject with translated errors, and when the connection is `lost`. `onError` is called
 * with each original first.
 */
export function withQueueErrors<Part extends object>(
  part: Part,
  how: { readonly where: string; readonly lost: AbortSignal | null; readonly onError: (error: unknown) => void },
): Part {
  const { where, lost, onError } = how
  const methods = Object.entries(part).map(([name, method]) => [
    name,
    (...args: unknown[]) => {
      const result: unknown = method(...args)
      if (!(result instanceof Promise)) return result
      const answer = lost === null ? result : orAborted(result, lost)
      return answer.catch((error: unknown) => {
        onError(error)
        return Promise.reject(toQueueError(error, where))
      })
    },
  ])
  return Object.fromEntries(methods) as Part
}

/** Code, name and message; also those of `previousErrors`, which an aborted transaction has. */
function textOf(error: unknown): string {
  const { code, message, name } = factsOf(error)
  const earlier: unknown = Object(error).previousErrors
  const reasons = Array.isArray(earlier) ? earlier.map((each) => factsOf(each).message) : []
  return [code, name, message, ...reasons].join(' ')
}

interface Explanation {
  readonly says: RegExp
  /** The event of its log line. */
  readonly kind: `redis.${string}`
  readonly message: (where: string) => string
}

/** The first that matches. */
const EXPLANATIONS = [
  {
    says: /SELF_SIGNED_CERT|UNABLE_TO_(VERIFY|GET_ISSUER)|CERT_UNTRUSTED|self.signed certificate|unable to (verify the first|get (local )?issuer) certificate/,
    kind: 'redis.certificate_refused',
    message: (where) =>
      `The certificate of ${where} is signed by an authority that this machine does not trust. Set TRACKYARD_REDIS_CA_FILE to the certificate of its CA.`,
  },
  {
    says: /ERR_TLS_CERT_ALTNAME_INVALID|does not match certificate/,
    kind: 'redis.certificate_refused',
    message: (where) =>
      `The certificate of ${where} is for another name. Use the host that it names, or issue a certificate for this host.`,
  },
  {
    says: /CERT_HAS_EXPIRED|CERT_NOT_YET_VALID|certificate (has expired|is not yet valid)/,
    kind: 'redis.certificate_refused',
    message: (where) =>
      `The certificate of ${where} is not valid today. Renew it, or correct the clock of this machine.`,
  },
  {
    says: /All sentinels.*(NOAUTH|WRONGPASS|invalid password|no password is set)/s,
    kind: 'redis.login_refused',
    message: (where) =>
      `The sentinels of ${where} refuse this login. Add ?sentinel_password=… (and sentinel_username) to TRACKYARD_REDIS_URL.`,
  },
  {
    says: /All sentinels are unreachable/,
    kind: 'redis.unreachable',
    message: (where) =>
      `No sentinel of ${where} answers with a primary of that name. Start them, or correct hosts and name in TRACKYARD_REDIS_URL.`,
  },
  {
    says: /cluster support disabled/,
    kind: 'redis.cluster_mismatch',
    message: (where) => `${where} is not a cluster. Use redis:// or rediss:// without +cluster.`,
  },
  {
    says: /ECONNREFUSED|ENOENT/,
    kind: 'redis.unreachable',
    message: (where) => `${where} does not answer. Start it, or correct TRACKYARD_REDIS_URL.`,
  },
  {
    says: /ENOTFOUND|EAI_AGAIN/,
    kind: 'redis.unreachable',
    message: (where) => `The host name of ${where} is unknown. Correct TRACKYARD_REDIS_URL.`,
  },
  {
    says: /^(EACCES|EPERM)/,
    kind: 'redis.unreachable',
    message: (where) => `This user may not open the socket of ${where}. Run as the user that started Redis.`,
  },
  {
    says: /ETIMEDOUT|EHOSTUNREACH|ENETUNREACH/,
    kind: 'redis.unreachable',
    message: (where) => `${where} cannot be reached from here. Check the host, the port and the firewall.`,
  },
  {
    says: /NOAUTH|Authentication required/,
    kind: 'redis.login_refused',
    message: (where) =>
      `${where} requires a password. Put it into TRACKYARD_REDIS_URL, as in redis://:password@host:6379.`,
  },
  {
    says: /WRONGPASS|invalid password|invalid username-password|no password is set/i,
    kind: 'redis.login_refused',
    message: (where) => `${where} refused the user or the password in TRACKYARD_REDIS_URL. Correct them there.`,
  },
  {
    says: /NOPERM|executing the script can't/,
    kind: 'redis.permission_denied',
    message: (where) =>
      `The Redis user of ${where} lacks permissions. It needs INFO, and all commands on keys that start with {trackyard} (+@all -@admin -@dangerous +info ~{trackyard}:*).`,
  },
  {
    says: /READONLY/,
    kind: 'redis.read_only',
    message: (where) => `${where} is read-only (a replica). Use the address of the primary.`,
  },
  {
    says: /\bOOM\b/,
    kind: 'redis.full',
    message: (where) =>
      `${where} is full (maxmemory reached). Give it more memory, or free some. trackyard-batch needs about 25 MB.`,
  },
  {
    says: /MISCONF/,
    kind: 'redis.disk_failed',
    message: (where) =>
      `${where} cannot write to its disk and refuses changes. Free disk space there, then try again. If the store is on that disk too, workers keep paid answers in memory: do not kill them.`,
  },
  {
    says: /NOREPLICAS/,
    kind: 'redis.replicas_lost',
    message: (where) => `${where} refuses changes while its replicas are away (min-replicas-to-write). Start them.`,
  },
  {
    says: /MASTERDOWN/,
    kind: 'redis.replicas_lost',
    message: (where) => `${where} is a replica that has lost its primary. Use the address of the primary.`,
  },
  {
    says: /LOADING/,
    kind: 'redis.loading',
    message: (where) => `${where} is still loading its data. Try again in a moment.`,
  },
  {
    says: /\bBUSY\b/,
    kind: 'redis.busy',
    message: (where) => `${where} is busy with a script of another program. Wait until it ends, or send SCRIPT KILL.`,
  },
  {
    says: /CLUSTERDOWN|None of startup nodes is available/,
    kind: 'redis.unreachable',
    message: (where) => `${where} is down as a cluster. Check \`redis-cli cluster info\` on its nodes.`,
  },
  {
    says: /MOVED|CROSSSLOT|TRYAGAIN/,
    kind: 'redis.cluster_mismatch',
    message: (where) =>
      `${where} is a node of a Redis Cluster. Use redis+cluster:// (or rediss+cluster://) with the hosts of some nodes.`,
  },
  {
    says: /WRONGTYPE|attempt to (compare|perform|index|concatenate|call)|bad argument #|not an integer|not a valid float|would overflow|exhausted the last possible ID|SyntaxError/,
    kind: 'redis.damaged',
    message: (where) =>
      `${where} holds damaged values. A running worker clears the keys of trackyard-batch there and restores them from the store; nothing is lost.`,
  },
  {
    says: /Connection is closed|Cluster is ended/,
    kind: 'redis.unreachable',
    message: (where) => `${where} is gone: the connection to it was lost. Check that it is running.`,
  },
  {
    says: /EXECABORT/,
    kind: 'redis.transaction_refused',
    message: (where) => `${where} refused a transaction. Check its log and the permissions of its user.`,
  },
  {
    says: /Protocol error|ParserError|RESP type|wrong version number|SSL|EPROTO|unknown command|ECONNRESET|EPIPE/i,
    kind: 'redis.protocol_error',
    message: (where) =>
      `${where} does not speak the Redis protocol. Check host, port, and redis:// against rediss:// (TLS).`,
  },
] as const satisfies readonly Explanation[]

/** The facts of an error of any origin; empty strings for what it lacks. System errors have a `code`. */
export function factsOf(error: unknown): { readonly code: string; readonly message: string; readonly name: string } {
  const { code, message, name } = Object(error) as Record<string, unknown>
  return { code: text(code), message: text(message), name: text(name) }
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : ''
}
