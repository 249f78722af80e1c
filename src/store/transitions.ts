import type { Death } from '../domain/dead-letter.js'
import type { SearchRef } from '../domain/search-id.js'
import { lessUrgentThan, type Priority, type SearchState } from '../domain/states.js'
import { TAGS_RULE, type Tagging } from '../domain/tags.js'
import type { Transaction } from './engine.js'
import { IS_IN_REF_TABLE_SQL, REF_TABLE_SQL, refsAsJson } from './search-ref.js'

/**
 * The only place that changes the state of a search. A batch counts how many of its rows are
 * tagged, without a match and dead, and how many of its searches are pending (no outcome yet).
 * `recount` updates these counters in the same transaction for every batch that wants the search,
 * so they are always right and never need a recount. For use inside a write transaction.
 */

/** The counter under which a batch counts a search. */
type Bucket = 'pending' | 'tagged' | 'no_match' | 'dead'

/** What a transition needs to know about a search. */
export interface CurrentSearch {
  readonly id: number
  readonly state: SearchState
}

/**
 * waiting, or queued with a lower priority → queued: their jobs are in Redis with at least that
 * priority. Searches in another state or round stay as they are.
 * @returns how many were changed
 */
export async function enqueue(
  tx: Transaction,
  refs: readonly SearchRef[],
  priority: Priority,
  now: number,
): Promise<number> {
  return tx.run(
    `with ${REF_TABLE_SQL}
     update search set state = 'queued', queued_priority = @priority, queued_at = @now
     from ref
     where ${IS_IN_REF_TABLE_SQL}
       and (search.state = 'waiting' or search.state = 'queued' and $among(search.queued_priority, @less))`,
    { refs: refsAsJson(refs), priority, now, less: lessUrgentThan(priority) },
  )
}

/** waiting or queued → waiting, in a new round: its job is gone, or must not be used. */
export async function requeueSearches(tx: Transaction, ids: readonly number[]): Promise<number> {
  const changes = await tx.run(
    `update search set state = 'waiting', round = round + 1, queued_priority = null, queued_at = null
     where $among(id, @ids) and state in ('waiting', 'queued')`,
    { ids },
  )
  lowerFeedMarks(tx, ids)
  return changes
}

/** dead → waiting, in a new round and with fresh attempts. Returns how many. */
export async function retryDead(tx: Transaction, ids: readonly number[]): Promise<number> {
  tx.send(FORGET_REFUSALS, { ids })
  const rows = await tx.all<{ id: number }>(
    `update search set state = 'waiting', round = round + 1, failures = 0, queued_priority = null, queued_at = null,
       rate_limits = 0, refusals = 0, refused_from = null, ${NO_DEATH}
     where $among(id, @ids) and state = 'dead' returning id`,
    { ids },
  )
  const retried = rows.map((row) => row.id)
  recount(tx, retried, 'dead', 'pending', null)
  lowerFeedMarks(tx, retried)
  return retried.length
}

/** What is called again uses up `first` again, once. */
const FORGET_REFUSALS = `update batch set refused = refused - (
    select count(*) from search join call on call.id = (select max(id) from call where call.search_id = search.id)
    where $among(search.id, @ids) and search.state = 'dead' and search.death_reason = 'refused' and call.batch_id = batch.id)
  where refused > 0 and first is not null`

/**
 * Any state but answered → answered. A dead letter leaves the list: its answer came late, but it is
 * paid for.
 */
export function keepAnswer(
  tx: Transaction,
  search: CurrentSearch,
  answer: {
    readonly body: string
    readonly tracks: number
    readonly tagging?: Tagging | null
    /** When it was received. */
    readonly at: number
  },
  now: number,
): void {
  if (search.state === 'answered') return
  tx.send(
    `update search set state = 'answered', answered_at = @at, tracks = @tracks,
       queued_priority = null, queued_at = null, ${NO_DEATH}
     where id = @id`,
    { at: answer.at, tracks: answer.tracks, id: search.id },
  )
  tx.send('insert into answer (search_id, body) values (@id, @body)', { id: search.id, body: answer.body })
  if (answer.tagging) {
    tx.send('insert into tagging (search_id, rule, json) values (@id, @rule, @json)', {
      id: search.id,
      rule: TAGS_RULE,
      json: JSON.stringify(answer.tagging),
    })
  }
  const from = search.state === 'dead' ? 'dead' : 'pending'
  recount(tx, [search.id], from, answer.tracks > 0 ? 'tagged' : 'no_match', now)
}

/** waiting or queued → dead. False when it already has an outcome. */
export function markDead(tx: Transaction, search: CurrentSearch, death: Death, now: number): boolean {
  if (search.state === 'answered' || search.state === 'dead') return false
  tx.send(
    `update search set state = 'dead', died_at = @now, queued_priority = null, queued_at = null,
       death_reason = @reason, death_status = @status, death_error = @error, death_code = @code,
       death_message = @message, death_request_id = @requestId, death_remedy = @remedy, discarded = 0
     where id = @id`,
    { ...death, id: search.id, now },
  )
  recount(tx, [search.id], 'pending', 'dead', now)
  return true
}

const NO_DEATH = `died_at = null, death_reason = null, death_status = null, death_error = null, death_code = null,
  death_message = null, death_request_id = null, death_remedy = null, discarded = 0`

/**
 * Updates the counters of every batch that wants these searches. A released batch is complete when
 * nothing is pending. A retry makes it incomplete, and its completion is announced again.
 * @param now when the outcome is saved; null when there is none, so that nothing is completed
 */
function recount(tx: Transaction, ids: readonly number[], from: Bucket, to: Bucket, now: number | null): void {
  if (ids.length === 0) return
  const step = (bucket: Bucket): number => (bucket === to ? 1 : 0) - (bucket === from ? 1 : 0)
  tx.send(
    `update batch set
       pending = pending + @pending * moved.searches,
       tagged = tagged + @tagged * moved.items,
       no_match = no_match + @noMatch * moved.items,
       dead = dead + @dead * moved.items,
       completed_at = case
         when state <> 'released' then completed_at
         when pending + @pending * moved.searches = 0 then coalesce(completed_at, @now)
         end,
       announced_at = case when pending + @pending * moved.searches = 0 then announced_at end
     from (
       select want.batch_id, count(*) as searches, sum(want.items) as items
       from want where $among(want.search_id, @ids)
       group by want.batch_id
     ) as moved
     where batch.id = moved.batch_id`,
    {
      pending: step('pending'),
      tagged: step('tagged'),
      noMatch: step('no_match'),
      dead: step('dead'),
      now,
      ids,
    },
  )
}

/** A search below the mark is waiting again: the feeder must start there. */
function lowerFeedMarks(tx: Transaction, ids: readonly number[]): void {
  tx.send(
    `update batch set fed_to = back.lowest
     from (
       select want.batch_id, min(want.search_id) as lowest
       from want where $among(want.search_id, @ids)
       group by want.batch_id
     ) as back
     where batch.id = back.batch_id and batch.fed_to > back.lowest`,
    { ids },
  )
}
