import type { Command } from 'commander'
import { openFeeding, openTolerantThrottle, type Session } from '../../app/session.js'
import { type ResumedByHand, resumeByHand } from '../../control/pauses.js'
import type { ExitCode } from '../../domain/errors.js'
import { formatTime, pluralize } from '../../domain/format.js'
import { resumedSummary } from '../../domain/pause.js'
import type { Act, Cli } from '../lib/cli.js'
import { interruptible } from '../lib/interrupt.js'
import { addExamples } from '../lib/parse.js'
import { fillQueue, throwInterruptedWhileFeeding } from '../lib/queue.js'
import { withSession } from '../lib/session.js'
import { dueAgainText } from '../render/dead-letters-text.js'

export function define(command: Command, act: Act): void {
  command
    .description(
      'Ends a rate limit by the API, and every pause except that of the active hours (see --now). Unless the pause was by hand or ' +
        'for the hours, one call at a time is made until one succeeds. Searches that were refused because of the key are retried.',
    )
    .option('--now', 'also outside the active hours (TRACKYARD_ACTIVE_HOURS), until they end the next time')
    .option('--json', 'print one JSON document on stdout')
    .action((options: { now?: true }) => act((cli) => resumeAll(cli, options.now === true)))
  addExamples(command, 'trackyard-batch resume', 'trackyard-batch resume --now')
}

async function resumeAll(cli: Cli, now: boolean): Promise<ExitCode> {
  return withSession(cli, async (session) => {
    const { throttle, wasReached } = await openTolerantThrottle(session)
    const resumed = await resumeByHand({ ...session, queue: { throttle } }, now)
    cli.result('resume', {
      ended: resumed.lifted,
      rate_limit_lifted: resumed.rateLimit !== null,
      still_paused: resumed.stillActive,
      retried: resumed.retried,
      redis_reached: wasReached(),
    })
    cli.print(message(resumed, session.now()))
    const notice = await reserveNotice(session, resumed)
    if (notice !== null) cli.say(notice)
    if (resumed.retried > 0) cli.print(`${dueAgainText(resumed.retried)} (refused because of the key).`)
    if (!wasReached()) cli.say('Redis is unreachable or not running. Workers continue when they reach it again.')
    if (!wasReached() || resumed.retried === 0) return 0
    return interruptible<ExitCode>(
      cli,
      async (signal) => {
        await fillQueue(cli, await openFeeding(session, signal))
        return 0
      },
      () => throwInterruptedWhileFeeding('the queue is resumed', 'Stop it with `trackyard-batch pause`.'),
    )
  })
}

/**
 * Why the queue will pause again at once; null if credits above the reserve are left, as far as is
 * known.
 */
async function reserveNotice({ store, settings }: Session, { lifted }: ResumedByHand): Promise<string | null> {
  const { creditsRemaining: left } = await store.account.get()
  if (!lifted.includes('reserve') || left === null || left > settings.creditReserve) return null
  return `The queue pauses again at the next search: ${pluralize(left, 'credit')} ${left === 1 ? 'is' : 'are'} left and ${settings.creditReserve} are kept in reserve. Top up, or lower TRACKYARD_CREDIT_RESERVE and restart the worker.`
}

const ONE_AT_A_TIME = 'One call at a time is made until one succeeds.'

function message({ lifted, stillActive, rateLimit, hoursOverriddenUntil }: ResumedByHand, now: number): string {
  if (stillActive.includes('outside_hours') && stillActive.length === 1)
    return 'Still outside the active hours. Calls start by themselves when they begin; to call now, add --now.'
  if (hoursOverriddenUntil !== null && stillActive.length === 0)
    return `Resumed until the active hours end, at ${formatTime(hoursOverriddenUntil, now)}.`
  if (lifted.length === 0 && stillActive.length === 0) return nothingPaused(rateLimit)
  const hasProbe =
    rateLimit === 'of the API' || lifted.some((cause) => cause !== 'operator' && cause !== 'outside_hours')
  const probe = stillActive.length === 0 && hasProbe ? ` ${ONE_AT_A_TIME}` : ''
  return `${resumedSummary(lifted, stillActive)}${probe}`
}

function nothingPaused(rateLimit: ResumedByHand['rateLimit']): string {
  switch (rateLimit) {
    case 'of the API':
      return `The rate limit by the API is lifted. ${ONE_AT_A_TIME}`
    case 'in Redis only':
      return 'Nothing was paused. A stale rate limit in Redis is lifted.'
    case null:
      return 'Nothing was paused.'
    default:
      return rateLimit satisfies never
  }
}
