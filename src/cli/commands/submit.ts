import { type Command, Option } from 'commander'
import { parseFilters } from '../../catalog/filters.js'
import { PRIORITIES } from '../../domain/states.js'
import type { SubmitOptions } from '../actions/submit.js'
import type { Act } from '../lib/cli.js'
import { days, delimiter, examples, label, wholeNumber } from '../lib/parse.js'

export function define(command: Command, act: Act): void {
  command
    .description(
      'Loads a catalog (CSV, TSV or JSON, also gzipped), shows what it will cost and how long it will take, and releases it.\n' +
        'Rows with the same request share one search. Earlier answers are reused for free.',
    )
    .argument('<file>', 'the catalog; - reads standard input')
    .option('-q, --query <template>', 'search for each row, with columns in braces (default: the column "query")')
    .option('--id <column>', 'column with your own row id (default: "id")')
    .option('--limit <n>', 'tracks wanted per search, 1-100 (default: 20)', wholeNumber(1, 100))
    .option('--filters <json>', 'filters for every search, as a JSON object', parseFilters)
    .option('--name <name>', "the batch's name (default: the file's name without extension)", label)
    .addOption(new Option('--priority <priority>', 'which batch goes first').choices([...PRIORITIES]).default('normal'))
    .option('--max-credits <n>', 'spend at most n credits on it; the rest is withheld', wholeNumber(1))
    .option('--first <n>', 'release only the first n searches; `release` releases the rest', wholeNumber(1))
    .option('--max-age <days>', 'buy an answer again if it is older (default: never)', days)
    .option('--delimiter <character>', 'between cells: one character, or tab (default: detected)', delimiter)
    .option('--encoding <name>', 'of the catalog, such as windows-1251 (default: from its byte order mark, else UTF-8)')
    .option('--header-row <n>', 'line of the header (default: the first, or the one below a title)', wholeNumber(1))
    .option('--dry-run', 'show the plan, keep nothing')
    .option('-y, --yes', 'do not ask, whatever the cost')
    .option('--wait', 'then wait until the batch is done, like `wait`')
    .option('--json', 'print one JSON document on stdout')
    .action((file: string, options: SubmitOptions) =>
      act(async (cli) => (await import('../actions/submit.js')).submit(cli, file, options)),
    )
  examples(
    command,
    'trackyard-batch submit videos.csv --query "{title} {mood} music" --id video_id',
    'trackyard-batch submit videos.csv --query "{title}" --first 20      # 20 searches first',
    'trackyard-batch submit - --name night --yes --wait < scenes.jsonl',
  )
  command.addHelpText(
    'after',
    '\nExit codes: 0 released (or planned, with --dry-run), 2 unusable catalog (or no row can be searched),\n' +
      '4 refused or declined, 5 interrupted after the release; with --wait also those of `wait`.',
  )
}
