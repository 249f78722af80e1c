import type { Command } from 'commander'
import { type ExitCode, UsageError } from '../../domain/errors.js'
import { formatNumber } from '../../domain/format.js'
import type { Act, Cli } from '../lib/cli.js'
import { addExamples, parseText } from '../lib/parse.js'
import { openProgressLine } from '../lib/progress.js'

export function define(command: Command, act: Act): void {
  command.description('Moves the store between a file of this machine and PostgreSQL.')
  addExamples(command, 'trackyard-batch store copy --to-file /run/secrets/database_url')
  const copy = command
    .command('copy')
    .summary('copies everything to another database')
    .description(
      'Copies the store to an empty PostgreSQL database, or back to a new file, and compares the two. Nobody can change the old store ' +
        'meanwhile, and then it is marked: opening it fails with the new address. First stop all workers (`trackyard-batch down`).',
    )
    .option('--to <address>', 'postgres://user@host/database (its password from ~/.pgpass), or a path', parseText)
    .option('--to-file <file>', 'a file that contains the address, with its password', parseText)
    .option('--json', 'print one JSON document on stdout')
    .action((options: CopyOptions) => act((cli) => copyTo(cli, options)))
  addExamples(
    copy,
    'trackyard-batch store copy --to-file /run/secrets/database_url',
    'trackyard-batch store copy --to ./data/trackyard.db',
  )
}

interface CopyOptions {
  readonly to?: string
  readonly toFile?: string
}

async function copyTo(cli: Cli, options: CopyOptions): Promise<ExitCode> {
  const { settingsOf } = await import('../../app/entry.js')
  const { copyConfiguredStore } = await import('../../app/copy-store.js')
  const settings = settingsOf(cli.io)
  const to = await addressOf(options)
  const line = openProgressLine(cli)
  const progress = (table: string, rows: number) => line.show(`${table}: ${formatNumber(rows)} rows copied`)
  const copied = await copyConfiguredStore(settings, to, progress)
  line.clear()
  cli.result('store_copy', { from: copied.from, to: copied.to, rows: copied.rows })
  cli.print(
    `Copied ${formatNumber(copied.rows)} rows from ${copied.from} to ${copied.to}; every table has the same number. ` +
      'The old store is marked as moved. Set TRACKYARD_DATABASE_URL (or TRACKYARD_DATA_DIR) to the new one.',
  )
  return 0
}

async function addressOf({ to, toFile }: CopyOptions): Promise<string> {
  if ((to === undefined) === (toFile === undefined)) throw new UsageError('Expected --to or --to-file, one of them.')
  if (to !== undefined) {
    if (URL.canParse(to) && new URL(to).password !== '')
      throw new UsageError(
        '--to contains a password, which every user of this machine can see. Put the address into a file and use --to-file.',
      )
    return to
  }
  const { readSecretFile } = await import('../../config/load-settings.js')
  const read = readSecretFile(toFile ?? '', '--to', (value) => ({ value }))
  if ('value' in read) return read.value
  throw new UsageError(`--to-file: ${read.problem}.`)
}
