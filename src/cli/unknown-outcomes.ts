import type { ExitCode } from '../domain/errors.js'
import type { Cli } from './cli.js'
import { table } from './render/table.js'
import { formatDateTime, pluralize, truncate } from './render/words.js'
import { withSession } from './session.js'

/**
 * Lists every call of unknown outcome, newest first: each may have cost a credit without an answer.
 */
export async function listUnknownOutcomes(cli: Cli, json: boolean): Promise<ExitCode> {
  return withSession(cli, async ({ store }) => {
    const all = await store.reports.unknownOutcomes(Number.MAX_SAFE_INTEGER)
    if (json) {
      cli.printJson(
        all.map(({ call, search, query }) => ({
          search,
          query,
          attempt: call.attempt,
          sent_at: new Date(call.sentAt).toISOString(),
          detail: call.detail,
        })),
      )
      return 0
    }
    const rows = all.map(({ call, search, query }) => [
      formatDateTime(call.sentAt),
      search.slice(0, 12),
      call.detail ?? 'the worker died before it saved the answer',
      truncate(query, 60),
    ])
    cli.print(`${pluralize(all.length, 'call')} of unknown outcome; each may have cost a credit`)
    if (rows.length > 0) cli.print(table([['sent', 'search', 'what happened', 'query'], ...rows]))
    return 0
  })
}
