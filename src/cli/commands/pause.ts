import type { Command } from 'commander'
import type { ExitCode } from '../../domain/errors.js'
import type { Act, Cli } from '../cli.js'
import { examples, label } from '../parse.js'

export function define(command: Command, act: Act): void {
  command
    .description('No more calls, on all workers, until `resume`. Calls in flight finish. Nothing is lost.')
    .option('--reason <text>', 'shown by status, in Bull Board and to whoever wonders', label, '')
    .action((options: { readonly reason: string }) => act((cli) => pauseByHand(cli, options.reason)))
  examples(command, 'trackyard-batch pause --reason "the key is needed elsewhere until noon"')
}

async function pauseByHand(cli: Cli, reason: string): Promise<ExitCode> {
  const { pause } = await import('../../control/pauses.js')
  const { tolerantThrottle } = await import('../forgiving-gate.js')
  const { runningQueue, withSession } = await import('../session.js')
  return withSession(cli, async (session) => {
    const { queue } = await runningQueue(session)
    const { throttle, wasReached } = tolerantThrottle(queue?.throttle ?? null)
    const isNew = await pause({ ...session, queue: { throttle } }, 'operator', reason)
    cli.print(isNew ? 'Paused. `trackyard-batch resume` goes on.' : 'It is paused by hand already; nothing changed.')
    if (!wasReached())
      cli.say('Redis does not run or cannot be reached; the pause is on record and every worker obeys it.')
    return 0
  })
}
