import type { Command } from 'commander'
import type { ExitCode } from '../../domain/errors.js'
import type { LetterOptions } from '../actions/dead-letters.js'
import type { Act, Cli } from '../cli.js'
import { examples, text, wholeNumber } from '../parse.js'

type Work = typeof import('../actions/dead-letters.js')

export function define(command: Command, act: Act): void {
  command.description(
    'Searches that failed for good: refused by the API, unreadable, crashed, or out of attempts.\nWithout a subcommand: list.',
  )
  const run = (work: (module: Work, cli: Cli) => Promise<ExitCode>) =>
    act(async (cli) => work(await import('../actions/dead-letters.js'), cli))

  const list = command
    .command('list', { isDefault: true })
    .summary('lists them, grouped by what went wrong')
    .description('Lists them, grouped by what went wrong.')
    .allowExcessArguments()
    .action((options: LetterOptions, self: Command) => run((work, cli) => work.list(cli, options, self.args)))
  const show = command
    .command('show')
    .summary('shows one: the request, the error, the remedy')
    .description('Shows one: the request, the error, the remedy.')
    .argument('<search>', 'its fingerprint, or the first 6 digits or more')
    .action((search: string, options: LetterOptions) => run((work, cli) => work.show(cli, search, options)))
  const retry = command
    .command('retry')
    .summary('sends them back to the queue with fresh attempts; shows the cost and asks first')
    .description('Sends them back to the queue with fresh attempts; shows the cost and asks first.')
    .argument('[search]', 'only this one, even if it was discarded')
    .action((search: string | undefined, options: LetterOptions) =>
      run((work, cli) => work.retry(cli, search, options)),
    )
  const discard = command
    .command('discard')
    .summary('takes them off the list; their rows stay dead in the export')
    .description('Takes them off the list; their rows stay dead in the export.')
    .argument('[search]', 'only this one')
    .action((search: string | undefined, options: LetterOptions) =>
      run((work, cli) => work.discard(cli, search, options)),
    )
  for (const each of [list, retry, discard]) {
    each
      .option('--status <n>', 'with this HTTP status', wholeNumber(100, 599))
      .option('--code <code>', 'with this error code from the API', text)
      .option('--batch <batch>', 'wanted by this batch, by id or name')
  }
  list.option('--all', 'list all (the default)')
  list.option('--discarded', 'list the discarded ones')
  for (const each of [retry, discard]) {
    each.option('--all', 'all of them; required without another filter').option('-y, --yes', 'do not ask')
  }
  for (const each of [list, show, retry, discard]) each.option('--json', 'print one JSON document on stdout')
  examples(list, 'trackyard-batch dead-letters', 'trackyard-batch dead-letters list --status 400 --json')
  examples(show, 'trackyard-batch dead-letters show 3f9a1c')
  examples(retry, 'trackyard-batch dead-letters retry --status 500', 'trackyard-batch dead-letters retry --all --yes')
  examples(discard, 'trackyard-batch dead-letters discard --batch night --code invalid_parameters')
  examples(
    command,
    'trackyard-batch dead-letters',
    'trackyard-batch dead-letters retry --status 500',
    'trackyard-batch dead-letters discard --batch night --code invalid_parameters',
  )
  command.addHelpText(
    'after',
    '\nExit codes: 0 done, 4 refused (no filter and no --all) or declined, 5 interrupted after a retry.',
  )
}
