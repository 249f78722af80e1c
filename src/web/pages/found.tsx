import { isExactRecord, parseStored, stringifyExactly } from '../../catalog/json/exact-json.js'
import { parseTracks } from '../../domain/answer.js'
import { figureOr, formatDateTime, formatNumber, pluralize, truncate } from '../../domain/format.js'
import { deriveTags } from '../../domain/tags.js'
import type { FoundSearch } from '../../store/findings.js'
import type { Batch, RowReport, SearchReport } from '../../store/store.js'
import { Page } from './layout.js'
import { Link, Panel, Prose, Table } from './parts.js'

/** What the search box finds: a row by id, a search by fingerprint or by words of its query, a batch by name. */
export interface FoundData {
  readonly text: string
  readonly batch: Batch | null
  readonly row: RowReport | null
  readonly search: SearchReport | null
  /** The latest few. */
  readonly searches: readonly FoundSearch[]
  readonly hasMore: boolean
  /** Why nothing can be shown: several fingerprints begin like that, for example. */
  readonly problem: string | null
}

export function Found({ data }: { readonly data: FoundData }) {
  const { text, batch, row, search, searches, hasMore, problem } = data
  const isNothing = batch === null && row === null && search === null && searches.length === 0
  return (
    <Page title={text} find={text}>
      <div class="page-head">
        <h1>
          “<bdi>{text}</bdi>”
        </h1>
        {problem !== null ? (
          <p class="quiet">
            <Prose text={problem} />
          </p>
        ) : null}
        {isNothing && problem === null ? (
          <p class="quiet">
            Nothing has this id, fingerprint or name, and no query contains it. Ids are case-sensitive.
          </p>
        ) : null}
      </div>
      {batch === null ? null : (
        <Panel id="batch" title="Batch">
          <Link to={`/batches/${batch.id}`}>{batch.name}</Link>
        </Panel>
      )}
      {row === null ? null : <RowSection row={row} />}
      {search === null ? null : <SearchSections search={search} withRows={row === null} />}
      {searches.length === 0 ? null : (
        <Panel id="searches" title="Searches whose query contains it">
          <ul class="examples">
            {searches.map((each) => (
              <li>
                <Link to={`/find?q=${each.search}`}>{each.query}</Link> <span class="quiet">{each.state}</span>
              </li>
            ))}
            {hasMore ? <li class="quiet">The latest {searches.length} are shown.</li> : null}
          </ul>
        </Panel>
      )}
    </Page>
  )
}

function RowSection({ row }: { readonly row: RowReport }) {
  const id = row.key === null ? '' : `, id ${row.key}`
  return (
    <Panel id="row" title={`Row ${formatNumber(row.position)}${id}`}>
      <Facts
        facts={[
          ['Batch', <Link to={`/batches/${row.batch.id}`}>{row.batch.name}</Link>],
          ['Status', row.status.replace('_', ' ')],
          ['Problem', row.problem],
          ...cellsOf(row),
        ]}
      />
    </Panel>
  )
}

const LONGEST_CELL = 2000

/** Cells with the names of their columns. */
function cellsOf({ row, batch }: RowReport): [string, string][] {
  const parsed = parseStored(row)
  if (Array.isArray(parsed))
    return parsed.map((cell, index) => [batch.columns[index] ?? `column ${index + 1}`, shown(cell)])
  if (isExactRecord(parsed)) return Object.entries(parsed).map(([name, value]) => [name, shown(value)])
  return [['Content', truncate(row, LONGEST_CELL)]]
}

function shown(value: unknown): string {
  return truncate(typeof value === 'string' ? value : stringifyExactly(value), LONGEST_CELL)
}

const ROWS_SHOWN = 20
const TRACKS_SHOWN = 10

function SearchSections({ search, withRows }: { readonly search: SearchReport; readonly withRows: boolean }) {
  const { request, death, calls, items } = search
  const tracks = search.answer === null ? null : parseTracks(search.answer)
  return (
    <>
      <Panel id="search" title="Search">
        <Facts
          facts={[
            ['Query', request.query],
            ['Limit', request.offset === 0 ? String(request.limit) : `${request.limit}, offset ${request.offset}`],
            ['Filters', request.filters === undefined ? null : JSON.stringify(request.filters)],
            ['State', search.discarded ? `${search.state}, discarded` : search.state],
            [
              'Reason',
              death === null
                ? null
                : [death.status, death.code, death.error, death.message].filter((part) => part !== null).join(' · '),
            ],
            ['Remedy', death === null ? null : <Prose text={death.remedy} />],
            ['Request id', death?.requestId ?? null],
            ['Fingerprint', <code>{search.ref.fingerprint}</code>],
          ]}
        />
      </Panel>
      {tracks === null ? null : <Answer tracks={tracks} />}
      <Panel id="calls" title={calls.length === 0 ? 'No calls yet' : pluralize(calls.length, 'call')}>
        {calls.length === 0 ? null : (
          <Table head={['Call', 'Sent', 'Took', 'Outcome', 'Status', 'Request id', 'Credits left', 'Detail']}>
            {calls.map((call) => (
              <tr>
                <td>{call.attempt}</td>
                <td>{formatDateTime(call.sentAt)}</td>
                <td>{call.finishedAt === null ? '–' : `${formatNumber(call.finishedAt - call.sentAt)} ms`}</td>
                <td>{call.outcome.replaceAll('_', ' ')}</td>
                <td>{call.status ?? '–'}</td>
                <td>{call.requestId ?? '–'}</td>
                <td>{figureOr(call.creditsRemaining, '–')}</td>
                <td>{call.detail ?? ''}</td>
              </tr>
            ))}
          </Table>
        )}
      </Panel>
      {withRows ? (
        <Panel id="rows" title={`${pluralize(items.length, 'row')} with this search`}>
          <ul class="examples">
            {items.slice(0, ROWS_SHOWN).map((item) => (
              <li>
                <Link to={`/batches/${item.batchId}`}>{item.batchName}</Link>, row {formatNumber(item.position)}
                {item.key === null ? null : (
                  <>
                    , id <bdi>{item.key}</bdi>
                  </>
                )}
              </li>
            ))}
            {items.length > ROWS_SHOWN ? (
              <li class="quiet">and {formatNumber(items.length - ROWS_SHOWN)} more</li>
            ) : null}
          </ul>
        </Panel>
      ) : null}
    </>
  )
}

function Answer({ tracks }: { readonly tracks: NonNullable<ReturnType<typeof parseTracks>> }) {
  const tags = deriveTags(tracks)
  return (
    <Panel id="answer" title={tracks.length === 0 ? 'The answer has no tracks: no match' : 'Tags'}>
      {tracks.length === 0 ? null : (
        <>
          <Facts
            facts={[
              ['Genre', tags.genre],
              ['Subgenres', listed(tags.subgenres)],
              ['Moods', listed(tags.moods)],
              ['Instruments', listed(tags.instruments)],
              ['BPM', tags.bpm === null ? null : String(tags.bpm)],
              ['Key', tags.key],
              ['Energy', tags.energyLevel],
              ['Vocals', tags.hasVocals === null ? null : tags.hasVocals ? 'yes' : 'no'],
            ]}
          />
          <ul class="examples" aria-label={pluralize(tracks.length, 'track')}>
            {tracks.slice(0, TRACKS_SHOWN).map((track) => (
              <li>
                <bdi>{truncate(track.title ?? track.id, 100)}</bdi>,{' '}
                <bdi>{truncate(track.artist ?? 'unknown artist', 80)}</bdi>{' '}
                <span class="quiet">
                  {[track.genre, track.bpm === null ? null : `${track.bpm} bpm`, track.key]
                    .filter((fact) => fact !== null)
                    .join(', ')}
                </span>
              </li>
            ))}
          </ul>
        </>
      )}
    </Panel>
  )
}

function listed(words: readonly string[]): string | null {
  return words.length === 0 ? null : words.join(', ')
}

function Facts({ facts }: { readonly facts: readonly (readonly [string, string | null | object])[] }) {
  return (
    <dl class="facts">
      {facts.map(([name, value]) =>
        value === null || value === '' ? null : (
          <>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </>
        ),
      )}
    </dl>
  )
}
