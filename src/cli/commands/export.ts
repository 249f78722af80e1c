import { type Command, Option } from 'commander'
import type { ExportOptions } from '../actions/export.js'
import type { Act } from '../cli.js'
import { examples } from '../parse.js'

export function define(command: Command, act: Act): void {
  command
    .description(
      'Writes the tagged catalog: every row of the input, in its order, with exactly one status and its tags.\n' +
        'Works at any time: unfinished rows have a status that says so.',
    )
    .argument('[batch]', 'id or name (default: the latest)')
    .addOption(
      new Option('-f, --format <format>', "output format (default: the catalog's own)").choices(['csv', 'jsonl']),
    )
    .option('-o, --out <file>', 'output file; - is stdout (default: <catalog>.tagged.<ext> beside the catalog)')
    .option('--spreadsheet-safe', 'CSV: escape your own cells too, if a spreadsheet would run them as formulas')
    .action((batch: string | undefined, options: ExportOptions) =>
      act(async (cli) => (await import('../actions/export.js')).exportTo(cli, batch ?? null, options)),
    )
  examples(
    command,
    'trackyard-batch export',
    'trackyard-batch export night --format jsonl --out tagged.jsonl',
    'trackyard-batch export night --out - | head',
  )
  command.addHelpText(
    'after',
    '\nExit codes: 0 written, 1 interrupted, 2 no such batch or unusable output path,\n4 the batch is still loading.',
  )
}
