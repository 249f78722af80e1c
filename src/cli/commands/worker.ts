import type { Command } from 'commander'
import type { Act } from '../cli.js'
import { examples } from '../parse.js'

export function define(command: Command, act: Act): void {
  command
    .description(
      'Runs one worker in the foreground: it makes the calls for due searches. Several workers may run on this machine; ' +
        'they share one rate limit. Ctrl-C lets calls in flight finish; a second Ctrl-C exits at once.',
    )
    .option('--healthy', 'health check: exit 0 if a worker is running on this host, else exit 1')
    .action(({ healthy }: { readonly healthy?: boolean }) =>
      act(async (cli) => {
        const { runProcess, settingsOf } = await import('../../app/entry.js')
        if (healthy === true) {
          const { workerLivesHere } = await import('../../app/healthy.js')
          const { ok, reason } = await workerLivesHere(settingsOf(cli.io))
          cli.print(reason)
          return ok ? 0 : 1
        }
        const { startWorker } = await import('../../app/start-worker.js')
        const { surroundingsOf } = await import('../session.js')
        cli.detail(`data directory: ${settingsOf(cli.io).dataDir}`)
        return runProcess(surroundingsOf(cli), startWorker)
      }),
    )
  examples(command, 'TRACKYARD_CONCURRENCY=20 trackyard-batch worker', 'trackyard-batch worker --healthy')
}
