import { existsSync, readFileSync } from 'node:fs'
import { rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Command } from 'commander'
import { type ExitCode, RefusedError, UsageError } from '../../domain/errors.js'
import { pluralize } from '../../domain/format.js'
import { askSecret, askText, askYesNo, canAsk } from '../lib/ask.js'
import type { Act, Cli } from '../lib/cli.js'
import { interruptible, throwInterrupted } from '../lib/interrupt.js'
import { addExamples } from '../lib/parse.js'

export function define(command: Command, act: Act): void {
  command
    .description(
      'Asks for the API key, the data directory and a webhook, writes them to .env in the current directory (readable by you ' +
        'alone), and checks the key. Other lines of .env are kept.',
    )
    .option('--json', 'print one JSON document on stdout')
    .action(() => act(init))
  addExamples(command, 'trackyard-batch init')
  command.addHelpText(
    'after',
    '\nExit codes: 0 written, 2 not a terminal, 4 declined (also after the API refused the key).',
  )
}

async function init(cli: Cli): Promise<ExitCode> {
  if (!canAsk(cli)) {
    throw new UsageError('`init` asks questions, and this is not a terminal.', {
      hint: 'Copy .env.example to .env, or set TRACKYARD_API_KEY in the environment.',
    })
  }
  const path = join(cli.io.cwd, '.env')
  return interruptible<ExitCode>(
    cli,
    async (signal) => {
      const before = existsSync(path) ? readFileSync(path, 'utf8') : ''
      const values = {
        TRACKYARD_API_KEY: await askSecret(cli, 'API key (not shown; empty to leave it out):', signal),
        TRACKYARD_DATA_DIR: await askText(cli, 'Data directory (empty: the default):', signal),
        TRACKYARD_WEBHOOK_URL: await askSecret(cli, 'Webhook for notifications (not shown; empty: none):', signal),
      }
      const text = withValues(before, values)
      const keyAccepted = await checked(cli, { text, path }, signal)
      // Beside it and then renamed, so that a full disk leaves the old one.
      await writeFile(`${path}.new`, text, { mode: 0o600 })
      await rename(`${path}.new`, path)
      cli.result('init', { path, key_accepted: keyAccepted })
      cli.print(`Wrote ${path}. Next: trackyard-batch doctor`)
      return 0
    },
    throwInterrupted,
  )
}

function notWritten(): never {
  throw new RefusedError('Not written: nothing was changed.', { code: 'declined' })
}

/** Replaces the line of a setting, or appends one. An empty value changes nothing. */
function withValues(text: string, values: Readonly<Record<string, string>>): string {
  let lines = text === '' ? [] : text.replace(/\n$/, '').split('\n')
  for (const [name, value] of Object.entries(values)) {
    if (value === '') continue
    if (/["\r\n]/.test(value)) throw new UsageError(`${name}: expected a value without quotation marks.`)
    const line = `${name}="${value}"`
    const isIts = (each: string) => new RegExp(`^\\s*(export\\s+)?${name}\\s*=`).test(each)
    lines = lines.some(isIts) ? lines.map((each) => (isIts(each) ? line : each)) : [...lines, line]
  }
  return lines.length === 0 ? '' : `${lines.join('\n')}\n`
}

/** Asks GET /me, which is free. @returns null if the API did not answer */
async function checked(
  cli: Cli,
  envFile: { readonly text: string; readonly path: string },
  signal: AbortSignal,
): Promise<boolean | null> {
  const { checkKey } = await import('../../app/doctor.js')
  const answer = await checkKey(envFile, cli.io.env)
  switch (answer.kind) {
    case 'none':
      cli.say('No API key yet: `trackyard-batch simulate` needs none.')
      return null
    case 'ok': {
      const { creditsRemaining: credits, tier } = answer
      const balance = credits === null ? '' : `, ${pluralize(credits, 'credit')} left`
      cli.say(`The API accepts the key (tier ${tier ?? 'unknown'}${balance}).`)
      return true
    }
    case 'unauthorized':
      if (!(await askYesNo(cli, 'The API refuses this key (401). Write it anyway?', signal))) return notWritten()
      return false
    case 'failed':
      cli.say(`The key could not be checked: ${answer.reason}.`)
      return null
    default:
      return answer satisfies never
  }
}
