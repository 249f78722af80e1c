import type { Command } from 'commander'
import { ConfigurationError, type ExitCode, UnreachableError } from '../../domain/errors.js'
import type { Account } from '../../store/store.js'
import type { Act, Cli } from '../cli.js'
import { examples } from '../parse.js'

export function define(command: Command, act: Act): void {
  command
    .description(
      'Asks the API for the balance and the limits of the key (free of charge). Where it cannot be asked, shows what ' +
        'was last known and says why.',
    )
    .option('--json', 'print one JSON document on stdout')
    .action((options: { readonly json?: boolean }) => act((cli) => showAccount(cli, options.json === true)))
  examples(command, 'trackyard-batch account', 'trackyard-batch account --json | jq .credits_remaining')
  command.addHelpText(
    'after',
    '\nExit codes: 0 asked, 3 the API is out of reach, 78 no key, or one that is not accepted.',
  )
}

async function showAccount(cli: Cli, json: boolean): Promise<ExitCode> {
  const { refreshAccount } = await import('../../account/refresh.js')
  const { openCaller } = await import('../../app/parts.js')
  const { withSession } = await import('../session.js')
  const { renderAccount } = await import('../render/account.js')
  return withSession(cli, async (session) => {
    const api = openCaller(session.settings, session.closers)
    const refreshed = await refreshAccount({ store: session.store, api, now: session.now })
    const isFresh = refreshed.kind === 'ok'
    const account = isFresh ? refreshed.account : await session.store.account.get()
    if (json) cli.printJson(accountJson(account, isFresh))
    else cli.print(renderAccount(account, isFresh, session.settings.apiUrl))
    switch (refreshed.kind) {
      case 'ok':
        return 0
      case 'unauthorized':
        throw new ConfigurationError(
          'The API does not accept this key (401): check that TRACKYARD_API_KEY is complete, without quotes, and not revoked.',
        )
      case 'failed':
        throw new UnreachableError(
          `The API could not be asked: ${refreshed.reason.replace(/\.$/, '')}. Check TRACKYARD_API_URL, or try again later.`,
        )
      default:
        return refreshed satisfies never
    }
  })
}

function accountJson(account: Account, isFresh: boolean): object {
  return {
    tier: account.tier,
    credits_remaining: account.creditsRemaining,
    monthly_allowance: account.monthlyAllowance,
    limit_per_minute: account.limitPerMinute,
    limit_per_day: account.limitPerDay,
    remaining_today: account.remainingToday,
    fresh: isFresh,
    heard_at: account.heardAt === null ? null : new Date(account.heardAt).toISOString(),
  }
}
