import { type Context, Hono } from 'hono'
import { needsConfirmation } from '../../batches/retry.js'
import { DEATH_REASONS } from '../../domain/dead-letter.js'
import { UsageError } from '../../domain/errors.js'
import { formatNumber, pluralize, truncate } from '../../domain/format.js'
import type { DeadFilter, RetryPrice } from '../../store/store.js'
import type { BoardOptions } from '../board-options.js'
import { Confirm } from './confirm.js'
import { DeadLetters, HiddenFilter } from './dead-letters.js'
import { type PageContext, usePage } from './layout.js'
import { page } from './respond.js'

const MOST_BATCHES = 200
const MOST_CALLS = 20

/**
 * The page of dead letters, and its buttons. A retry asks first if it may cost more than TRACKYARD_CONFIRM_ABOVE, or
 * may buy an answer again.
 */
export function deadLetterRoutes(options: BoardOptions, context: () => Promise<PageContext>): Hono {
  const web = new Hono()
  const { store } = options

  web.get('/dead-letters', async (c) => {
    const query = c.req.query()
    const filter = filterFrom(query)
    const [groups, batches] = await Promise.all([
      store.reports.deadLetterGroups(filter),
      store.reports.batchNames(MOST_BATCHES),
    ])
    const { all, unseen } = await store.reports.unknownCounts()
    const unknown = {
      all,
      unseen,
      latest: unseen === 0 ? [] : await store.reports.unknownOutcomes(Math.min(unseen, MOST_CALLS)),
    }
    const data = {
      unknown,
      groups,
      filter,
      batches,
      notice: noticeFrom(query),
    }
    return page(c, await context(), <DeadLetters data={data} />)
  })

  web.post('/actions/unknown-seen', async (c) => {
    await store.calls.seeUnknown(countIn((await fieldsOf(c)).shown))
    return c.redirect(`${options.path}/dead-letters`, 303)
  })

  web.post('/dead-letters/retry', async (c) => {
    const fields = await fieldsOf(c)
    const filter = filterFrom(fields)
    const price = await store.deadLetters.price(filter)
    // What the page named when it asked. If there are more now, it asks again.
    const named = { searches: countIn(fields.confirmed), maybePaid: countIn(fields.maybe_paid) }
    const confirmed = needsConfirmation(price, options.confirmAbove) ? named : price
    const sentBack = await store.deadLetters.retry(filter, confirmed)
    if (sentBack === null)
      return page(c, await context(), <AskRetry price={await store.deadLetters.price(filter)} filter={filter} />)
    const { retried, due } = sentBack
    options.log.info({ event: 'dead_letters.retried', retried, due }, 'dead letters retried on the board')
    return back(c, options, filter, { retried, due })
  })

  web.post('/dead-letters/discard', async (c) => {
    const fields = await fieldsOf(c)
    const filter = filterFrom(fields)
    const discarded = await store.deadLetters.discard(filter, countIn(fields.confirmed))
    if (discarded === null)
      return page(c, await context(), <AskDiscard searches={await store.deadLetters.count(filter)} filter={filter} />)
    options.log.info({ event: 'dead_letters.discarded', discarded }, 'dead letters discarded on the board')
    return back(c, options, filter, { discarded })
  })
  return web
}

function AskRetry({ price, filter }: { readonly price: RetryPrice; readonly filter: DeadFilter }) {
  const { base } = usePage()
  const { searches, maybePaid } = price
  return (
    <Confirm
      title={`Retry ${pluralize(searches, 'dead letter')}?`}
      facts={[
        `This may cost up to ${pluralize(searches, 'credit')}: each search is called again.`,
        ...(maybePaid === 0
          ? []
          : [`${formatNumber(maybePaid)} of them may be paid for already and would be bought again.`]),
      ]}
      action={`${base}/dead-letters/retry`}
      button={`Retry for up to ${pluralize(searches, 'credit')}`}
      back={`${base}/dead-letters`}
    >
      <HiddenFilter filter={filter} />
      <input type="hidden" name="confirmed" value={String(searches)} />
      <input type="hidden" name="maybe_paid" value={String(maybePaid)} />
    </Confirm>
  )
}

function AskDiscard({ searches, filter }: { readonly searches: number; readonly filter: DeadFilter }) {
  const { base } = usePage()
  return (
    <Confirm
      title={`Discard ${pluralize(searches, 'dead letter')}?`}
      facts={[
        'They leave this list; their rows stay dead in the export.',
        'A discarded search can still be retried by its fingerprint: `trackyard-batch dead-letters retry SEARCH`.',
      ]}
      action={`${base}/dead-letters/discard`}
      button={`Discard ${formatNumber(searches)}`}
      back={`${base}/dead-letters`}
    >
      <HiddenFilter filter={filter} />
      <input type="hidden" name="confirmed" value={String(searches)} />
    </Confirm>
  )
}

type Fields = Readonly<Record<string, string | undefined>>

async function fieldsOf(c: Context): Promise<Fields> {
  const body = await c.req.parseBody()
  return Object.fromEntries(
    Object.entries(body).filter((entry): entry is [string, string] => typeof entry[1] === 'string'),
  )
}

/** A number that the page wrote into the form. */
function countIn(text = ''): number {
  return /^\d{1,15}$/.test(text) ? Number(text) : 0
}

const LONGEST_TEXT = 200
const NONE = '-'

/**
 * `-` means "without one".
 * @throws UsageError for an invalid field: without it, an action would mean more dead letters than the user does
 */
function filterFrom(fields: Fields): DeadFilter {
  const given = (name: string) => fields[name]?.trim() || undefined
  const [status, code, batch, text] = [given('status'), given('code'), given('batch'), given('text')]
  const reason = DEATH_REASONS.find((known) => known === fields.reason)
  requireValid(given('reason') === undefined || reason !== undefined, 'a known reason', fields.reason)
  requireValid(status === undefined || /^(-|\d{3})$/.test(status), 'a status of three digits', status)
  requireValid(batch === undefined || /^\d{1,15}$/.test(batch), 'the id of a batch', batch)
  requireValid((text ?? '').length <= LONGEST_TEXT, `a text of at most ${LONGEST_TEXT} characters`, text)
  return {
    ...(reason !== undefined && { reason }),
    ...(status !== undefined && { status: status === NONE ? null : Number(status) }),
    ...(code !== undefined && { code: code === NONE ? null : code }),
    ...(batch !== undefined && { batchId: Number(batch) }),
    ...(text !== undefined && { text }),
  }
}

function requireValid(isValid: boolean, expected: string, found: string | undefined): void {
  if (!isValid) throw new UsageError(`Expected ${expected}, found "${truncate(found ?? '', 40)}".`)
}

/** Back to the list, narrowed as before, with what was done. */
function back(
  c: Context,
  { path }: BoardOptions,
  filter: DeadFilter,
  done: Readonly<Record<string, number>>,
): Response {
  const query = new URLSearchParams()
  if (filter.batchId !== undefined) query.set('batch', String(filter.batchId))
  for (const [name, count] of Object.entries(done)) query.set(name, String(count))
  return c.redirect(`${path}/dead-letters?${query.toString()}`, 303)
}

function noticeFrom(query: Fields): string | null {
  const counted = (name: string) => (/^\d{1,12}$/.test(query[name] ?? '') ? Number(query[name]) : null)
  const [retried, due, discarded] = [counted('retried'), counted('due'), counted('discarded')]
  if (discarded !== null) return `${pluralize(discarded, 'dead letter')} discarded.`
  if (retried === null) return null
  const all = `${pluralize(retried, 'dead letter')} sent back`
  if (due === null || due === retried) return `${all}.`
  return `${all}; ${formatNumber(due)} of them are due. No released batch with budget left wants the rest.`
}
