import { tagsJson } from '../../catalog/export/export-batch.js'
import { parseStored } from '../../catalog/json/exact-json.js'
import { parseTracks } from '../../domain/answer.js'
import type { Death } from '../../domain/dead-letter.js'
import {
  figureOr,
  formatDateTime,
  formatNumber,
  formatTable,
  isoOrNull,
  pluralize,
  truncate,
} from '../../domain/format.js'
import { deriveTags, type Tags, type Track } from '../../domain/tags.js'
import type { CallReport, RowReport, SearchReport } from '../../store/store.js'
import type { DocumentBody } from '../documents.js'
import type { Paint } from '../lib/cli.js'

/** One row with its search, or a search alone. */
export interface ShowResult {
  readonly item: RowReport | null
  readonly search: SearchReport | null
}

const TRACKS_SHOWN = 5
const ROWS_SHOWN = 10

export function renderShowResult({ item, search }: ShowResult, paint: Paint): string {
  const sections: string[] = []
  if (item !== null) sections.push(itemSection(item))
  if (search !== null) sections.push(...searchSections(search, item === null, paint))
  return sections.join('\n\n')
}

function itemSection(item: RowReport): string {
  const rows: [string, string][] = [
    ['batch', `${item.batch.id} (${truncate(item.batch.name, 60)})`],
    [
      'row',
      item.key === null ? formatNumber(item.position) : `${formatNumber(item.position)}, id ${truncate(item.key, 100)}`,
    ],
    ['status', item.status.replace('_', ' ')],
  ]
  if (item.problem !== null) rows.push(['problem', item.problem])
  rows.push(['content', truncate(item.row, 500)])
  return formatTable(rows)
}

function searchSections(search: SearchReport, withRows: boolean, paint: Paint): string[] {
  const { request, death } = search
  const facts: [string, string][] = [
    ['search', search.ref.fingerprint],
    ['query', truncate(request.query, 500)],
    [
      'limit',
      request.offset === 0 ? String(request.limit) : `${request.limit}, offset ${formatNumber(request.offset)}`,
    ],
  ]
  if (request.filters !== undefined) facts.push(['filters', JSON.stringify(request.filters)])
  facts.push(['state', search.state])
  if (death !== null) {
    const reason = [death.status, death.code, death.error, death.message].filter((part) => part !== null).join(' · ')
    facts.push(['reason', truncate(reason, 500)], ['remedy', death.remedy], ['next', retryHint(search)])
    if (death.requestId !== null) facts.push(['request id', death.requestId])
  }
  const sections = [formatTable(facts), callSection(search.calls)]
  const tracks = search.answer === null ? null : parseTracks(search.answer)
  if (tracks !== null) sections.push(answerSection(tracks, paint))
  else if (search.answer !== null) sections.push(`unreadable answer\n  ${truncate(search.answer, 500)}`)
  if (withRows) sections.push(rowSection(search.items))
  return sections
}

function retryHint({ ref, discarded }: SearchReport): string {
  const command = `\`trackyard-batch dead-letters retry ${ref.fingerprint.slice(0, 12)}\``
  return discarded ? `discarded from the dead letters; retry it with ${command}` : `retry it with ${command}`
}

function callSection(calls: readonly CallReport[]): string {
  if (calls.length === 0) return 'No calls yet.'
  const rows = calls.map((call) => [
    String(call.attempt),
    formatDateTime(call.sentAt),
    call.finishedAt === null ? '-' : `${formatNumber(call.finishedAt - call.sentAt)} ms`,
    call.outcome.replaceAll('_', ' '),
    call.status === null ? '-' : String(call.status),
    call.requestId ?? '-',
    figureOr(call.creditsRemaining, '-'),
    truncate(call.detail ?? '', 60),
  ])
  const head = ['call', 'sent', 'took', 'outcome', 'status', 'request id', 'credits left', '']
  return formatTable([head, ...rows], [2, 6])
}

function answerSection(tracks: readonly Track[], paint: Paint): string {
  if (tracks.length === 0) return 'The answer has no tracks: no match.'
  const shown = tracks.slice(0, TRACKS_SHOWN).map((track) => {
    const facts = [track.genre, track.bpm === null ? null : `${track.bpm} bpm`, track.key].filter(
      (fact) => fact !== null,
    )
    return `  ${truncate(track.title ?? track.id, 60)}, ${truncate(track.artist ?? 'unknown artist', 40)} ${paint.dim(facts.join(', '))}`
  })
  const more = tracks.length > TRACKS_SHOWN ? [`  … and ${formatNumber(tracks.length - TRACKS_SHOWN)} more`] : []
  return [tagLines(deriveTags(tracks)), '', pluralize(tracks.length, 'track'), ...shown, ...more].join('\n')
}

function tagLines(tags: Tags): string {
  const vocals = tags.hasVocals === null ? null : tags.hasVocals ? 'yes' : 'no'
  const rows: [string, string | null][] = [
    ['genre', tags.genre],
    ['subgenres', tags.subgenres.join('; ')],
    ['moods', tags.moods.join('; ')],
    ['instruments', tags.instruments.join('; ')],
    ['bpm', tags.bpm === null ? null : String(tags.bpm)],
    ['key', tags.key],
    ['energy level', tags.energyLevel],
    ['vocals', vocals],
  ]
  return formatTable(rows.map(([label, value]) => [label, value === null || value === '' ? '-' : value]))
}

function rowSection(items: SearchReport['items']): string {
  const rows = items
    .slice(0, ROWS_SHOWN)
    .map((item) => [
      `  batch ${item.batchId} (${truncate(item.batchName, 40)})`,
      `row ${formatNumber(item.position)}`,
      item.key ?? '',
    ])
  const more = items.length > ROWS_SHOWN ? `\n  … and ${formatNumber(items.length - ROWS_SHOWN)} more` : ''
  return `${pluralize(items.length, 'row')} ${items.length === 1 ? 'shares' : 'share'} this search\n${formatTable(rows)}${more}`
}

/** For `stringifyExactly`, which keeps the digits of numbers as they were read. */
export function showResultJson({ item, search }: ShowResult): DocumentBody<'show'> {
  return {
    row:
      item === null
        ? null
        : {
            batch: item.batch.id,
            batch_name: item.batch.name,
            position: item.position,
            id: item.key,
            status: item.status,
            error: item.problem ?? search?.death?.error ?? null,
            content: parseStored(item.row),
          },
    search: search === null ? null : searchJson(search),
  }
}

function searchJson(search: SearchReport): DocumentBody<'show'>['search'] {
  const tracks = search.answer === null ? null : parseTracks(search.answer)
  return {
    search: search.ref.fingerprint,
    generation: search.ref.generation,
    round: search.ref.round,
    request: search.request,
    state: search.state,
    discarded: search.discarded,
    attempts_used: search.failures,
    death: search.death === null ? null : withRequestId(search.death),
    calls: search.calls.map(callJson),
    tags: tracks === null ? null : tagsJson(deriveTags(tracks)),
    answer: search.answer === null ? null : parseStored(search.answer),
    rows: search.items.map((each) => ({ batch: each.batchId, position: each.position, id: each.key })),
  }
}

function callJson(call: CallReport) {
  return {
    call: call.callId,
    attempt: call.attempt,
    sent_at: new Date(call.sentAt).toISOString(),
    finished_at: isoOrNull(call.finishedAt),
    outcome: call.outcome,
    status: call.status,
    request_id: call.requestId,
    detail: call.detail,
    credits_remaining: call.creditsRemaining,
  }
}

function withRequestId({ requestId, ...death }: Death) {
  return { ...death, request_id: requestId }
}
