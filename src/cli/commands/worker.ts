import type { Command } from 'commander'
import { type ExitCode, UsageError } from '../../domain/errors.js'
import type { Act, Cli } from '../lib/cli.js'
import { addExamples } from '../lib/parse.js'
import { runInForeground } from '../lib/session.js'

export function define(command: Command, act: Act): void {
  command
    .description(
      'Runs one worker in the foreground: it makes the calls for due searches. Several workers may run on this machine; ' +
        'they share one rate limit. Ctrl-C lets calls in flight finish; a second Ctrl-C exits at once.',
    )
    .option(
      '--healthy',
      'health check: exit 0 if a worker is running on this host, else 1; 3 if Redis cannot be reached',
    )
    .option('--json', 'with --healthy: print one JSON document on stdout')
    .action(({ healthy, json }: { readonly healthy?: boolean; readonly json?: boolean }) =>
      act(async (cli) => {
        if (healthy === true) return checkHealth(cli)
        if (json === true) throw new UsageError('--json goes with --healthy: a worker writes a log, on stderr.')
        const { startWorker } = await import('../../app/start-worker.js')
        return runInForeground(cli, startWorker)
      }),
    )
  addExamples(command, 'TRACKYARD_CONCURRENCY=20 trackyard-batch worker', 'trackyard-batch worker --healthy')
}

async function checkHealth(cli: Cli): Promise<ExitCode> {
  const { settingsOf } = await import('../../app/entry.js')
  const { checkWorkerOnThisHost } = await import('../../app/healthy.js')
  const { ok, reason } = await checkWorkerOnThisHost(settingsOf(cli.io))
  cli.result('health', { ok, reason })
  cli.print(reason)
  return ok ? 0 : 1
}
