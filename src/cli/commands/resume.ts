import type { Command } from 'commander'
import type { ResumedByHand } from '../../control/resume.js'
import type { ExitCode } from '../../domain/errors.js'
import type { Act, Cli } from '../cli.js'
import { examples } from '../parse.js'
import type { Session } from '../session.js'

export function define(command: Command, act: Act): void {
  command
    .description(
      'Ends every pause, whoever or whatever made it, and a hold by the API (a rate limit). After anything but a pause ' +
        'by hand, one call at a time is tried until one succeeds. Searches that were refused because of the key are tried again.',
    )
    .action(() => act(resumeAll))
  examples(command, 'trackyard-batch resume')
}

async function resumeAll(cli: Cli): Promise<ExitCode> {
  const { resumeByHand } = await import('../../control/resume.js')
  const { tolerantThrottle } = await import('../forgiving-gate.js')
  const { leftToWorkers, openFeeding } = await import('../feeding.js')
  const { interruptible } = await import('../interrupt.js')
  const { runningQueue, withSession } = await import('../session.js')
  const { pluralize } = await import('../render/words.js')
  return withSession(cli, async (session) => {
    const { queue } = await runningQueue(session)
    const { throttle, wasReached } = tolerantThrottle(queue?.throttle ?? null)
    const resumed = await resumeByHand({ ...session, queue: { throttle } })
    cli.print(message(resumed))
    const short = await shortOfReserve(session, resumed)
    if (short !== null) cli.say(short)
    if (resumed.retried > 0) cli.print(`${pluralize(resumed.retried, 'search')} refused because of the key: due again.`)
    if (!wasReached()) cli.say('Redis does not run or cannot be reached; workers go on when they have it again.')
    if (!wasReached() || resumed.retried === 0) return 0
    return interruptible<ExitCode>(
      cli,
      async (signal) => {
        await (await openFeeding(cli, session, signal)).fill()
        return 0
      },
      () => leftToWorkers(cli, 'It is resumed', '`trackyard-batch pause` stops it.'),
    )
  })
}

/** Null: what is left above the reserve allows a call, as far as anybody knows. */
async function shortOfReserve({ store, settings }: Session, { lifted }: ResumedByHand): Promise<string | null> {
  const { creditsRemaining: left } = await store.account.get()
  if (!lifted.includes('reserve') || left === null || left > settings.creditReserve) return null
  const { pluralize } = await import('../render/words.js')
  return `It pauses again at the next search: ${pluralize(left, 'credit')} ${left === 1 ? 'is' : 'are'} left and ${settings.creditReserve} are kept in reserve. Top up, or lower TRACKYARD_CREDIT_RESERVE and restart the worker.`
}

const ONE_AT_A_TIME = 'One call at a time is tried until one succeeds.'

function message({ lifted, standing, hold }: ResumedByHand): string {
  if (lifted.length === 0 && standing.length === 0) return nothingPaused(hold)
  const ended = lifted.map((cause) => cause.replace('_', ' ')).join(', ')
  if (standing.length > 0) return `Still paused: ${standing.map((cause) => cause.replace('_', ' ')).join(', ')}.`
  return lifted.every((cause) => cause === 'operator') && hold !== 'of the API'
    ? 'Resumed.'
    : `Resumed (was paused: ${ended}). ${ONE_AT_A_TIME}`
}

function nothingPaused(hold: ResumedByHand['hold']): string {
  switch (hold) {
    case 'of the API':
      return `The API's hold is lifted. ${ONE_AT_A_TIME}`
    case 'in Redis only':
      return 'Nothing was paused; a hold that only Redis still had is lifted.'
    case null:
      return 'Nothing was paused.'
    default:
      return hold satisfies never
  }
}
