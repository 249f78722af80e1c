import { parseJobId } from '../domain/search-id.js'

/**
 * The actions that Bull Board may perform. This is an allowlist: a button of a new version is
 * refused until it has been reviewed. The keys are Bull Board's own route patterns, which its hook
 * passes before each of its handlers.
 *
 * An action is allowed if the store decides it or repairs it: pause and resume (our use cases);
 * removing a search (it is due, so it is requeued in a new round); promoting a delayed search (the
 * claim still checks the store, and the rate limit still applies); retrying dead letters; and
 * cleaning finished jobs. Emptying a queue of 20,000 jobs or editing a job would only be undone
 * later by the feeder, which would confuse the operator.
 */
export interface BoardAction {
  readonly method: string
  /** Bull Board's pattern, e.g. `/api/queues/:queueName/:jobId/retry`. */
  readonly route: string
  readonly queueName: string | null
  readonly jobId: string | null
  readonly status: string | null
}

/** Null: allowed. Otherwise the message to show. */
type Rule = (action: BoardAction, on: 'searches' | 'dead letters') => string | null

const allowed: Rule = () => null

const RULES: Readonly<Record<string, Rule>> = {
  'put /api/queues/pause': allowed,
  'put /api/queues/resume': allowed,
  'put /api/queues/:queueName/pause': (_action, on) =>
    on === 'searches' ? null : 'Dead letters make no calls, so there is nothing to pause. Pause the searches instead.',
  'put /api/queues/:queueName/resume': allowed,
  'put /api/queues/:queueName/:jobId/retry': (_action, on) =>
    on === 'dead letters'
      ? null
      : 'Retry searches in the dead letters queue. A failed search moves there within seconds.',
  'put /api/queues/:queueName/retry/:queueStatus': (action, on) =>
    on === 'dead letters' && action.status === 'failed' ? null : 'Only failed dead letters can be retried.',
  'put /api/queues/:queueName/:jobId/promote': (_action, on) =>
    on === 'searches' ? null : 'Dead letters have no delay.',
  'put /api/queues/:queueName/:jobId/clean': (action, on) =>
    on === 'searches' || (action.jobId !== null && parseJobId(action.jobId) === null)
      ? null
      : 'A removed dead letter would come back. Discard it with `trackyard-batch dead-letters discard`.',
  'put /api/queues/:queueName/clean/:queueStatus': (action, on) =>
    on === 'searches' && action.status === 'completed' ? null : 'Only completed searches can be cleaned.',
}

const NOT_FROM_HERE: Readonly<Record<string, string>> = {
  'post /api/queues/:queueName/add': 'Searches are added with `trackyard-batch submit`, which plans and counts them.',
  'put /api/queues/:queueName/empty':
    'Due searches would be added again at once. To stop a batch, run `trackyard-batch cancel`.',
  'put /api/queues/:queueName/obliterate': 'The queue stores the rate limit and the pause of all workers.',
  'put /api/queues/:queueName/promote': 'Each delayed search runs at the time shown. Promote a single one instead.',
  'put /api/queues/:queueName/rate-limit': 'The rate limit is learned from the API, or set by TRACKYARD_RATE_LIMIT.',
  'put /api/queues/:queueName/rate-limit/release': 'The API asked to wait. The rate limit ends by itself.',
  'put /api/queues/:queueName/concurrency': 'Set TRACKYARD_CONCURRENCY and restart the workers.',
  'patch /api/queues/:queueName/:jobId/update-data': 'A job is only a copy. The request is in the store.',
}

/** Bull Board's button that retries all dead letters. It is allowed only if the cost needs no confirmation. */
export function isRetryAll({ method, route }: BoardAction): boolean {
  return method === 'put' && route === '/api/queues/:queueName/retry/:queueStatus'
}

/** Null: allowed. Otherwise the reason, in one or two sentences for the operator. */
export function refusalOf(action: BoardAction, searchQueueName: string): string | null {
  if (action.method === 'get') return null
  const key = `${action.method} ${action.route}`
  const rule = Object.hasOwn(RULES, key) ? RULES[key] : undefined
  if (rule !== undefined) return rule(action, action.queueName === searchQueueName ? 'searches' : 'dead letters')
  const why = Object.hasOwn(NOT_FROM_HERE, key) ? NOT_FROM_HERE[key] : undefined
  return ['Bull Board cannot do this.', why].filter((text) => text !== undefined).join(' ')
}
