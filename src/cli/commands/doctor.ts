import type { Command } from 'commander'
import type { Check } from '../../app/doctor.js'
import type { ExitCode } from '../../domain/errors.js'
import { pluralize } from '../../domain/format.js'
import type { Act, Cli } from '../lib/cli.js'
import { addExamples } from '../lib/parse.js'

export function define(command: Command, act: Act): void {
  command
    .description(
      'Checks everything that a night needs: Node, settings, permissions, disk, store, Redis, notifications, the API, its key and ' +
        'the clock. Says what to do about each problem. Starts nothing and creates no file, but updates a store of an older version.',
    )
    .option('--json', 'print one JSON document on stdout')
    .action(() => act(doctor))
  addExamples(command, 'trackyard-batch doctor')
  command.addHelpText('after', '\nExit codes: 0 nothing failed (warnings included), 1 something failed.')
}

const MARKS = { ok: 'ok', warning: 'warn', failed: 'FAIL' } as const

async function doctor(cli: Cli): Promise<ExitCode> {
  const { runChecks } = await import('../../app/doctor.js')
  const checks: Check[] = []
  for await (const check of runChecks(cli.io)) {
    checks.push(check)
    const paint = { ok: cli.paint.good, warning: cli.paint.warn, failed: cli.paint.bad }[check.state]
    cli.print(`${paint(MARKS[check.state].padEnd(4))}  ${check.name.padEnd(14)}  ${check.found}`)
    if (check.remedy !== null) cli.print(`${' '.repeat(22)}${check.remedy}`)
  }
  const failed = checks.filter(({ state }) => state === 'failed').length
  cli.result('doctor', { ok: failed === 0, checks })
  cli.print(failed === 0 ? 'Ready.' : `${pluralize(failed, 'check')} failed.`)
  return failed === 0 ? 0 : 1
}
