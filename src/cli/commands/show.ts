import type { Command } from 'commander'
import { findBatch } from '../../batches/find-batch.js'
import { stringifyExactly } from '../../catalog/json/exact-json.js'
import { type ExitCode, UsageError } from '../../domain/errors.js'
import type { Act, Cli } from '../lib/cli.js'
import { addExamples } from '../lib/parse.js'
import { withExistingStore } from '../lib/session.js'
import { renderShowResult, showResultJson } from '../render/show-text.js'

interface ShowOptions {
  readonly batch?: string
}

export function define(command: Command, act: Act): void {
  command
    .description('Shows everything about one row or search: the request, every call, the answer, the tags, the reason.')
    .argument(
      '<row>',
      'your own id, the position of the row (1 is the first row below the header; error messages give the line of the file instead), or at least the first 6 digits of a search fingerprint',
    )
    .option('--batch <batch>', 'batch to look in, by id or name (default: the latest that has it)')
    .option('--json', 'print one JSON document on stdout')
    .action((what: string, options: ShowOptions) => act((cli) => show(cli, what, options)))
  addExamples(
    command,
    'trackyard-batch show VID-1042',
    'trackyard-batch show 17 --batch night --json',
    'trackyard-batch show -- -UGmleXXXXX   # an id that begins with a dash',
  )
}

async function show(cli: Cli, what: string, options: ShowOptions): Promise<ExitCode> {
  return withExistingStore(cli, async (session) => {
    const { store } = session
    const batchId = options.batch === undefined ? null : (await findBatch(session, options.batch)).id
    const found = await store.reports.show(what, batchId)
    if (found === null) {
      throw new UsageError(
        `No row or search matches "${what}". Pass your own id of a row, its position, or at least the first 6 digits of a search fingerprint; --batch names the batch to look in.`,
        { code: 'no_such_row' },
      )
    }
    const shown = 'position' in found ? { item: found, search: found.search } : { item: null, search: found }
    cli.result('show', showResultJson(shown), stringifyExactly)
    cli.print(renderShowResult(shown, cli.paint))
    return 0
  })
}
