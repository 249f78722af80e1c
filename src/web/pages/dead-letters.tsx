import { formatNumber, pluralize } from '../../domain/format.js'
import type { DeadLetterGroup, RowName } from '../../store/findings.js'
import type { DeadFilter, Reports } from '../../store/store.js'
import { Page, usePage } from './layout.js'
import { ActionResult, Link, Prose, When } from './parts.js'

/** Dead letters by cause, each with what to do about it. A filter narrows what is shown, retried and discarded. */

/** Calls of unknown outcome. */
interface UnknownCalls {
  readonly all: number
  /** Those that nobody has looked at yet. */
  readonly unseen: number
  /** Of these, the latest few, newest first. */
  readonly latest: Awaited<ReturnType<Reports['unknownOutcomes']>>
}

export interface DeadLettersData {
  readonly groups: readonly DeadLetterGroup[]
  readonly filter: DeadFilter
  readonly batches: readonly { readonly id: number; readonly name: string }[]
  readonly unknown: UnknownCalls
  /** What a button has just done; null: nothing. */
  readonly notice: string | null
}

export function DeadLetters({ data }: { readonly data: DeadLettersData }) {
  const { groups, filter, notice } = data
  const { readOnly } = usePage()
  const searches = sum(groups, (group) => group.searches)
  const rows = sum(groups, (group) => group.rows)
  return (
    <Page title="Dead letters" section="dead letters">
      <div class="page-head">
        <h1>Dead letters</h1>
        <p class="quiet">
          {searches === 0
            ? isEmpty(filter)
              ? 'No search has failed for good.'
              : 'None matches.'
            : `${pluralize(searches, 'search')} failed for good, ${pluralize(rows, 'row')}. A retry costs up to one credit each.`}
        </p>
      </div>
      <ActionResult text={notice} />
      <FilterForm data={data} />
      <DeadLetterGroups groups={groups} filter={filter} />
      <Unknown calls={data.unknown} />
      {groups.length > 1 && !readOnly ? (
        <section class="panel" aria-label="All that is shown">
          <div class="panel-head">
            <p>All {pluralize(searches, 'search')} above</p>
            <Buttons filter={filter} searches={searches} />
          </div>
        </section>
      ) : null}
    </Page>
  )
}

function Unknown({ calls: { all, unseen, latest } }: { readonly calls: UnknownCalls }) {
  const { base, readOnly } = usePage()
  if (unseen === 0) return null
  return (
    <section class="panel" aria-labelledby="unknown">
      <div class="panel-head">
        <h2 id="unknown">
          {pluralize(unseen, 'call')} of unknown outcome{' '}
          <span class="quiet">Each may have cost a credit without an answer.</span>
        </h2>
        {readOnly ? null : (
          <form method="post" action={`${base}/actions/unknown-seen`}>
            <input type="hidden" name="shown" value={String(all)} />
            <button type="submit">Seen</button>
          </form>
        )}
      </div>
      <ul class="examples">
        {latest.map(({ call, search, query }) => (
          <li>
            <Link to={`/find?q=${encodeURIComponent(search)}`}>{query}</Link>{' '}
            <span class="quiet">
              <When at={call.sentAt} /> {call.detail ?? ''}
            </span>
          </li>
        ))}
        {unseen > latest.length ? (
          <li class="quiet">
            <Prose
              text={`and ${formatNumber(unseen - latest.length)} more: \`trackyard-batch status --unknown\` lists all`}
            />
          </li>
        ) : null}
      </ul>
    </section>
  )
}

function FilterForm({ data: { filter, batches } }: { readonly data: DeadLettersData }) {
  const { base } = usePage()
  return (
    <form class="filter" method="get" action={`${base}/dead-letters`} aria-label="Filter">
      <label>
        Status
        <input
          name="status"
          inputmode="numeric"
          pattern="[1-5][0-9][0-9]"
          value={filter.status ?? ''}
          placeholder="400"
        />
      </label>
      <label>
        Code
        <input name="code" value={filter.code ?? ''} placeholder="invalid_parameters" />
      </label>
      <label>
        Batch
        <select name="batch">
          <option value="">all</option>
          {batches.map(({ id, name }) => (
            <option value={id} selected={id === filter.batchId}>
              {id} · {name}
            </option>
          ))}
        </select>
      </label>
      <label>
        Text
        <input name="text" type="search" value={filter.text ?? ''} placeholder="in the query or the error" />
      </label>
      <button type="submit">Filter</button>
      {isEmpty(filter) ? null : <a href={`${base}/dead-letters`}>Show all</a>}
    </form>
  )
}

export function DeadLetterGroups(props: { readonly groups: readonly DeadLetterGroup[]; readonly filter: DeadFilter }) {
  const { groups, filter } = props
  const { readOnly } = usePage()
  return (
    <>
      {groups.map((group) => (
        <section class="panel group" aria-label={titleOf(group)}>
          <div class="panel-head">
            <h2>
              <bdi class="cause">{titleOf(group)}</bdi>{' '}
              <span class="quiet">
                {pluralize(group.searches, 'search')}, {pluralize(group.rows, 'row')}
              </span>
            </h2>
            {readOnly ? null : <Buttons filter={{ ...filter, ...filterOf(group) }} searches={group.searches} />}
          </div>
          <p class="said">{[group.error, group.message].filter((part) => part !== null && part !== '').join(': ')}</p>
          <p class="remedy">
            <Prose text={group.remedy} />
          </p>
          {group.maybePaid === 0 ? null : (
            <p class="tone-wait note">
              {formatNumber(group.maybePaid)} of them may be paid for already; a retry buys{' '}
              {group.maybePaid === 1 ? 'it' : 'them'} again.
            </p>
          )}
          {filter.batchId !== undefined && group.batches.length === 1 ? null : (
            <dl class="facts">
              <dt>Batches</dt>
              <dd>
                {group.batches.map(({ id, name, searches }, index) => (
                  <>
                    {index === 0 ? '' : ', '}
                    <Link to={`/batches/${id}`}>{name}</Link> ({formatNumber(searches)})
                  </>
                ))}
              </dd>
            </dl>
          )}
          <ul class="examples" aria-label="Examples">
            {group.examples.map((example) => (
              <li>
                <Link to={`/find?q=${encodeURIComponent(example.search)}`}>{example.query}</Link>{' '}
                <RowNames rows={example.rows} />
              </li>
            ))}
            {group.searches > group.examples.length ? (
              <li class="quiet">and {formatNumber(group.searches - group.examples.length)} more</li>
            ) : null}
          </ul>
        </section>
      ))}
    </>
  )
}

const ROWS_NAMED = 5

export function RowNames({ rows }: { readonly rows: readonly RowName[] }) {
  const named = rows.slice(0, ROWS_NAMED).map(({ key, position }) => key ?? `row ${formatNumber(position)}`)
  const more = rows.length > ROWS_NAMED ? ', …' : ''
  return named.length === 0 ? null : (
    <span class="quiet">
      {named.map((name, index) => (
        <>
          {index === 0 ? '' : ', '}
          <bdi>{name}</bdi>
        </>
      ))}
      {more}
    </span>
  )
}

function Buttons({ filter, searches }: { readonly filter: DeadFilter; readonly searches: number }) {
  const { base } = usePage()
  return (
    <div class="actions">
      {(['retry', 'discard'] as const).map((verb) => (
        <form method="post" action={`${base}/dead-letters/${verb}`}>
          <HiddenFilter filter={filter} />
          <button type="submit" class={verb === 'discard' ? 'danger' : ''}>
            {verb === 'retry' ? `Retry ${formatNumber(searches)}` : 'Discard'}
          </button>
        </form>
      ))}
    </div>
  )
}

/** Null and undefined differ: `-` is "none". */
export function HiddenFilter({ filter }: { readonly filter: DeadFilter }) {
  const fields: readonly (readonly [string, string | number | null | undefined])[] = [
    ['reason', filter.reason],
    ['status', filter.status],
    ['code', filter.code],
    ['batch', filter.batchId],
    ['text', filter.text],
  ]
  return (
    <>
      {fields.map(([name, value]) =>
        value === undefined ? null : <input type="hidden" name={name} value={value === null ? '-' : value} />,
      )}
    </>
  )
}

export function filterOf({ reason, status, code }: DeadLetterGroup): DeadFilter {
  return { reason, status, code }
}

function titleOf({ reason, status, code }: DeadLetterGroup): string {
  const said = [status, code].filter((part) => part !== null).join(' ')
  switch (reason) {
    case 'refused':
      return said === '' ? 'Refused' : said
    case 'unauthorized':
      return said === '' ? 'Key refused' : said
    case 'unreadable':
      return 'Unreadable answer'
    case 'crashed':
      return 'Crashed its worker'
    case 'attempts_used_up':
      return said === '' ? 'Attempts used up' : `Attempts used up (${said})`
    default:
      return reason satisfies never
  }
}

function sum(groups: readonly DeadLetterGroup[], of: (group: DeadLetterGroup) => number): number {
  return groups.reduce((total, group) => total + of(group), 0)
}

export function isEmpty(filter: DeadFilter): boolean {
  return Object.values(filter).every((value) => value === undefined)
}
