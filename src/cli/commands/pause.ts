import type { Command } from 'commander'
import { openTolerantThrottle } from '../../app/session.js'
import { pause } from '../../control/pauses.js'
import type { ExitCode } from '../../domain/errors.js'
import type { Act, Cli } from '../lib/cli.js'
import { addExamples, parseLabel } from '../lib/parse.js'
import { withSession } from '../lib/session.js'

export function define(command: Command, act: Act): void {
  command
    .description('Stops all calls, on all workers, until `resume`. Calls in flight finish. Nothing is lost.')
    .option('--reason <text>', 'shown by `status` and on the board', parseLabel, '')
    .option('--json', 'print one JSON document on stdout')
    .action((options: { readonly reason: string }) => act((cli) => pauseByHand(cli, options.reason)))
  addExamples(command, 'trackyard-batch pause --reason "the key is needed elsewhere until noon"')
}

async function pauseByHand(cli: Cli, reason: string): Promise<ExitCode> {
  return withSession(cli, async (session) => {
    const { throttle, wasReached } = await openTolerantThrottle(session)
    const isNew = await pause({ ...session, queue: { throttle } }, 'operator', reason)
    cli.result('pause', { changed: isNew, redis_reached: wasReached() })
    cli.print(
      isNew
        ? 'Paused. Continue with `trackyard-batch resume`.'
        : 'The queue is already paused by hand; nothing changed.',
    )
    if (!wasReached())
      cli.say('Redis is unreachable or not running. The pause is in the store, and every worker obeys it.')
    return 0
  })
}
