import { Counter, Gauge, Registry } from 'prom-client'
import type { StatusReport } from '../batches/status-report.js'
import { CALL_OUTCOMES, type CallOutcome } from '../domain/outcome.js'
import { PAUSE_CAUSES } from '../domain/pause.js'
import { ROW_STATUSES } from '../domain/states.js'
import { HEARTBEAT_TTL_MS } from '../queue/heartbeat.js'

/**
 * The metrics for Prometheus. The store already counts everything across restarts and workers, so
 * nothing is counted here. Each scrape fills a registry of its own from the report and drops it. An
 * unknown value (credits, limit) has no sample rather than a false zero. Label values are fixed
 * lists, except the batches of the report.
 */

const LONGEST_NAME = 100

export interface Scrape {
  readonly contentType: string
  readonly text: string
}

export async function renderMetrics(
  report: StatusReport,
  callsByOutcome: Readonly<Record<CallOutcome, number>>,
  version: string,
): Promise<Scrape> {
  const registry = new Registry()
  const { queue, credits, calls_per_minute } = report

  function counter<L extends string>(name: string, help: string, ...labelNames: L[]): Counter<L> {
    return new Counter({ name, help, labelNames, registers: [registry] })
  }
  function gauge<L extends string>(name: string, help: string, ...labelNames: L[]): Gauge<L> {
    return new Gauge({ name, help, labelNames, registers: [registry] })
  }
  function known(name: string, help: string, value: number | null): void {
    if (value !== null) gauge(name, help).set(value)
  }

  gauge('trackyard_info', 'The running version.', 'version').set({ version }, 1)

  const calls = counter('trackyard_calls_total', 'Calls of POST /search that have ended, by outcome.', 'outcome')
  for (const outcome of CALL_OUTCOMES) {
    if (outcome !== 'sent') calls.inc({ outcome }, callsByOutcome[outcome])
  }
  counter('trackyard_rate_limited_total', 'Calls that the API answered with 429.').inc(callsByOutcome.rate_limited)
  counter('trackyard_credits_spent_total', 'Calls that the API answered with 200, one credit each.').inc(credits.spent)
  counter('trackyard_unknown_outcomes_total', 'Calls whose answer never arrived; each may have cost a credit.').inc(
    credits.unknown_outcomes,
  )
  known('trackyard_credits_remaining', 'Credits left, as the API last reported.', credits.remaining)
  gauge('trackyard_credits_needed', 'Credits that all due searches need, one each.').set(credits.needed)
  gauge('trackyard_credits_short', 'How many credits are missing for all due searches. 0: none.').set(credits.missing)
  known(
    'trackyard_credits_end_timestamp_seconds',
    'When the credits end at the current rate, before the work does. Unix time.',
    secondsOf(credits.last_until),
  )
  known(
    'trackyard_finish_timestamp_seconds',
    'When all due searches will be done. Unix time.',
    secondsOf(report.finish_at),
  )

  const isRateLimited = queue.state === 'rate_limited' ? 1 : 0
  gauge('trackyard_rate_limited', '1 while rate limited by the API and not stopped by anything else.').set(
    isRateLimited,
  )
  const paused = gauge('trackyard_paused', '1 while this cause keeps the queue paused.', 'cause')
  for (const cause of PAUSE_CAUSES) paused.set({ cause }, queue.causes.includes(cause) ? 1 : 0)
  known(
    'trackyard_paused_until_timestamp_seconds',
    'When the pause ends by itself: the active hours begin. Absent if the end is not known.',
    queue.state === 'paused' ? secondsOf(queue.until) : null,
  )
  gauge('trackyard_probing', '1 while calls go one at a time, until one succeeds.').set(queue.probing ? 1 : 0)

  const searches = gauge(
    'trackyard_queue_searches',
    'Searches without an answer, by state. The state waiting counts all due searches, in Redis or not, so it includes those that are active or delayed: do not add the states up.',
    'state',
  )
  for (const state of ['waiting', 'active', 'delayed', 'dead_letters'] as const) searches.set({ state }, queue[state])
  gauge('trackyard_workers', `Workers with a heartbeat in the last ${HEARTBEAT_TTL_MS / 1000} seconds.`).set(
    queue.workers,
  )
  gauge(
    'trackyard_workers_with_write_failure',
    'Workers that make no calls because they cannot write to the store.',
  ).set(queue.write_failures)

  gauge('trackyard_notifications_pending', 'Notifications that the webhook has not accepted yet.').set(
    report.notifications.pending,
  )

  const spent = gauge(
    'trackyard_batch_credits_spent',
    'Calls charged to a batch: paid for, of unknown outcome, or in flight.',
    'batch',
    'name',
  )
  const items = gauge('trackyard_batch_rows', 'Rows of a batch by status.', 'batch', 'name', 'status')
  for (const batch of report.batches) {
    const name = batch.name.slice(0, LONGEST_NAME)
    spent.set({ batch: batch.batch, name }, batch.credits_spent)
    for (const status of ROW_STATUSES) items.set({ batch: batch.batch, name, status }, batch[status])
  }

  gauge('trackyard_calls_last_minute', 'Calls sent in the last 60 seconds.').set(calls_per_minute.last)
  known(
    'trackyard_limit_per_minute',
    'The rate limit of all workers together, in calls a minute.',
    calls_per_minute.limit,
  )

  return { contentType: registry.contentType, text: await registry.metrics() }
}

function secondsOf(iso: string | null): number | null {
  return iso === null ? null : Date.parse(iso) / 1000
}
