import type { Command } from 'commander'
import { openFeeding, openTolerantThrottle, type Session } from '../../app/session.js'
import { START_A_WORKER } from '../../batches/pause-message.js'
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
    const { throttle, wasReached, workers } = await openTolerantThrottle(session)
    const resumed = await resumeByHand({ ...session, queue: { throttle } }, now)
    const hasWorker = (await workers()) !== 0
    cli.result('resume', {
      ended: resumed.lifted,
      rate_limit_lifted: resumed.rateLimit !== null,
      still_paused: resumed.stillActive,
      retried: resumed.retried,
      redis_reached: wasReached(),
    })
    cli.print(message(resumed, session.now()))
    if (!hasWorker) cli.say(START_A_WORKER)
    const notice = await reserveNotice(session, resumed)
    if (notice !== null) cli.say(notice)
    if (resumed.retried > 0) cli.print(`${dueAgainText(resumed.retried)} (refused because of the key).`)
    if (hasWorker && !wasReached()) cli.say('Redis is unreachable. Workers continue when they reach it again.')
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

/** Every pause that ended, and whatever still keeps calls from starting. */
function message({ lifted, stillActive, rateLimit, hoursOverriddenUntil }: ResumedByHand, now: number): string {
  const isApiTried =
    rateLimit === 'of the API' || lifted.some((cause) => cause !== 'operator' && cause !== 'outside_hours')
  const sentences = [
    ...(lifted.length + stillActive.length > 0 ? [resumedSummary(lifted, stillActive)] : nothingPaused(rateLimit)),
    ...(rateLimit === 'of the API' ? ['The rate limit by the API is lifted.'] : []),
    ...(stillActive.length === 0 && isApiTried ? ['One call at a time is made until one succeeds.'] : []),
    ...(hoursOverriddenUntil === null
      ? []
      : [`The active hours are overridden until they end at ${formatTime(hoursOverriddenUntil, now)}.`]),
    ...(stillActive.length === 1 && stillActive[0] === 'outside_hours'
      ? ['Calls start by themselves when the active hours begin; to call now, add --now.']
      : []),
  ]
  return sentences.join(' ')
}

function nothingPaused(rateLimit: ResumedByHand['rateLimit']): string[] {
  switch (rateLimit) {
    case 'of the API':
      return []
    case 'in Redis only':
      return ['Nothing was paused. A stale rate limit in Redis is lifted.']
    case null:
      return ['Nothing was paused.']
    default:
      return rateLimit satisfies never
  }
}
