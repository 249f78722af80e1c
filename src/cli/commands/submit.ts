import { type Command, Option } from 'commander'
import { parseFilters } from '../../catalog/filters.js'
import { PRIORITIES } from '../../domain/states.js'
import type { SubmitOptions } from '../actions/submit.js'
import type { Act } from '../cli.js'
import { days, delimiter, examples, label, wholeNumber } from '../parse.js'

export function define(command: Command, act: Act): void {
  command
    .description(
      'Loads a catalog (CSV, TSV or JSON, also gzipped), shows what it will cost and how long it will take, and releases it.\n' +
        'Rows that ask the same share one search. What was answered before is reused for free.',
    )
    .argument('<file>', 'the catalog; - reads standard input')
    .option('-q, --query <template>', 'the search for each row, with columns in braces; default: the column "query"')
    .option('--id <column>', 'your own id for a row; default: the column "id"')
    .option('--limit <n>', 'tracks wanted per search, 1-100 (default: 20)', wholeNumber(1, 100))
    .option('--filters <json>', 'filters for every search, a JSON object', parseFilters)
    .option('--name <name>', "the batch's name (default: the file's name without extension)", label)
    .addOption(new Option('--priority <priority>', 'which batch goes first').choices([...PRIORITIES]).default('normal'))
    .option('--max-credits <n>', 'spend at most so many credits on it; the rest is withheld', wholeNumber(1))
    .option('--first <n>', 'release so many searches to look at; `release` lets the rest go', wholeNumber(1))
    .option('--max-age <days>', 'ask again where the answer is older (default: never)', days)
    .option('--delimiter <character>', 'between cells: one character, or tab (default: found out)', delimiter)
    .option('--encoding <name>', 'of the catalog, such as windows-1251 (default: by its byte order mark, else UTF-8)')
    .option('--header-row <n>', 'the line of the header (default: the first, or the one below a title)', wholeNumber(1))
    .option('--dry-run', 'show the plan and keep nothing')
    .option('-y, --yes', 'do not ask, whatever it costs')
    .option('--wait', 'then wait until it is done, like the command `wait`')
    .option('--json', 'print one JSON document on stdout')
    .action((file: string, options: SubmitOptions) =>
      act(async (cli) => (await import('../actions/submit.js')).submit(cli, file, options)),
    )
  examples(
    command,
    'trackyard-batch submit videos.csv --query "{title} {mood} music" --id video_id',
    'trackyard-batch submit videos.csv --query "{title}" --first 20      # look before you leap',
    'trackyard-batch submit - --name night --yes --wait < scenes.jsonl',
  )
  command.addHelpText(
    'after',
    '\nExit codes: 0 released (or shown, with --dry-run), 2 unusable catalog (also where no row can be searched), 4 refused\n' +
      'or declined, 5 interrupted after the release; with --wait as in `wait`.',
  )
}
