import type { Command } from 'commander'
import type { Session } from '../../app/session.js'
import { knownAccount, refreshAccount } from '../../control/refresh-account.js'
import { requireCompatibleApi } from '../../control/same-api.js'
import { ConfigurationError, type ExitCode, UnreachableError } from '../../domain/errors.js'
import { figureOr, formatDateTime, formatTable, isoOrNull, pluralize } from '../../domain/format.js'
import type { Account } from '../../store/store.js'
import type { DocumentBody } from '../documents.js'
import type { Act, Cli } from '../lib/cli.js'
import { addExamples } from '../lib/parse.js'
import { withSession } from '../lib/session.js'

export function define(command: Command, act: Act): void {
  command
    .description(
      'Shows the balance and the limits of the API key, from the API (free of charge). If the API is unreachable, ' +
        'shows the last known values and the reason.',
    )
    .option('--adopt', 'the API has moved: keep its answers and accept this address, if the key works there')
    .option('--json', 'print one JSON document on stdout')
    .action((options: AccountOptions) => act((cli) => showAccount(cli, options)))
  addExamples(
    command,
    'trackyard-batch account',
    'trackyard-batch account --json | jq .credits_remaining',
    'TRACKYARD_API_URL=https://api.example.com/v2 trackyard-batch account --adopt',
  )
  command.addHelpText(
    'after',
    '\nExit codes: 0 fresh values, 3 the API is unreachable, 78 no key, a key that the API refuses, or\na store of another API.',
  )
}

interface AccountOptions {
  readonly adopt?: boolean
}

async function showAccount(cli: Cli, { adopt = false }: AccountOptions): Promise<ExitCode> {
  const { exposures } = await import('../../config/exposures.js')
  return withSession(cli, async (session) => {
    const { store, settings } = session
    for (const exposed of exposures(settings, cli.io)) cli.say(exposed)
    if (!adopt) await requireCompatibleApi({ store, apiUrl: settings.apiUrl })
    const refreshed = await refreshAccount({ store, api: await session.openApi(), now: session.now })
    const isFresh = refreshed.kind === 'ok'
    const account = isFresh ? refreshed.account : await knownAccount(store, settings.apiUrl)
    // With --adopt, an account in the store may be that of the old address.
    if (isFresh || !adopt) {
      cli.result('account', accountJson(account, isFresh))
      cli.print(renderAccount(account, isFresh, settings.apiUrl))
    }
    switch (refreshed.kind) {
      case 'ok':
        if (adopt) await adoptApi(cli, session)
        return 0
      case 'unauthorized':
        throw new ConfigurationError(
          'The API refused this key (401). Check that TRACKYARD_API_KEY, or the file named by TRACKYARD_API_KEY_FILE, contains the whole key without quotes, and that the key is not revoked.',
          { code: 'api_key_refused' },
        )
      case 'failed':
        throw new UnreachableError(
          `GET /me failed: ${refreshed.reason.replace(/\.$/, '')}. Check TRACKYARD_API_URL, or try again later.`,
          { code: 'api_unreachable' },
        )
      default:
        return refreshed satisfies never
    }
  })
}

/** Called only after the key has worked at this address. */
async function adoptApi(cli: Cli, { store, settings }: Session): Promise<void> {
  const before = await store.api.get()
  await store.api.adopt(settings.apiUrl)
  cli.say(
    before === null || before.address === settings.apiUrl
      ? `This store belongs to the API at ${settings.apiUrl}.`
      : `${pluralize(before.answers, 'answer')} of ${before.address} count as answers of ${settings.apiUrl} from now on. ` +
          'Workers that still use the old address stop on their own.',
  )
}

function accountJson(account: Account, isFresh: boolean): DocumentBody<'account'> {
  return {
    tier: account.tier,
    credits_remaining: account.creditsRemaining,
    monthly_allowance: account.monthlyAllowance,
    limit_per_minute: account.limitPerMinute,
    limit_per_day: account.limitPerDay,
    remaining_today: account.remainingToday,
    fresh: isFresh,
    heard_at: isoOrNull(account.heardAt),
  }
}

function renderAccount(account: Account, isFresh: boolean, apiUrl: string): string {
  const rows: [string, string][] = [
    ['API', apiUrl],
    ['tier', account.tier ?? 'unknown'],
    ['credits left', figureOr(account.creditsRemaining)],
    ['monthly allowance', figureOr(account.monthlyAllowance)],
    ['calls a minute', figureOr(account.limitPerMinute)],
    ['calls a day', figureOr(account.limitPerDay, 'no known limit')],
  ]
  if (account.remainingToday !== null) rows.push(['left today', figureOr(account.remainingToday)])
  if (!isFresh) rows.push(['last updated', account.heardAt === null ? 'never' : formatDateTime(account.heardAt)])
  return formatTable(rows)
}
