import { z } from 'zod'
import { DEATH_REASONS } from '../domain/dead-letter.js'
import { ERROR_CODES } from '../domain/errors.js'
import { CALL_OUTCOMES } from '../domain/outcome.js'
import { PAUSE_CAUSES } from '../domain/pause.js'
import { BATCH_STATES, QUEUE_STATES, ROW_STATUSES, type RowStatus, SEARCH_STATES } from '../domain/states.js'
import { ACTORS, TIMELINE_KINDS } from '../store/timeline.js'

/**
 * What `--json` prints: one document for each command. These schemas are a contract with scripts: `npm run schema`
 * writes them to docs/reference/json-schema.json, and a test compares every command's output with them. Commands
 * import only the types, so that nobody waits for zod.
 */

const count = z.int().min(0).meta({ id: 'count' })
const time = z.iso.datetime().meta({ id: 'time', description: 'UTC' })
const text = z.string()

const error = z
  .object({
    code: z.enum(ERROR_CODES).describe('stable; docs/reference/exit-codes.md lists them'),
    message: text.describe('what happened'),
    hint: text.nullable().describe('what to do next'),
  })
  .meta({ id: 'error', description: 'only if the command did not succeed' })

const byStatus = {
  tagged: count,
  no_match: count,
  dead: count,
  invalid: count,
  withheld: count,
  waiting: count,
  cancelled: count,
} satisfies Record<RowStatus, typeof count>

const batch = z
  .object({
    batch: z.int(),
    name: text,
    state: z.enum([...BATCH_STATES, 'done']),
    rows: count,
    ...byStatus,
    credits_spent: count.describe(
      'calls charged to it: paid for, of unknown outcome, or in flight; so the sum of all batches may exceed credits.spent',
    ),
    credits_needed: count.describe(
      'calls that it may still be charged with; a search that several batches want counts for each',
    ),
    calls_last_minute: count.nullable().describe('null: only `status` has it'),
    created_at: time,
    completed_at: time.nullable(),
    not_before: time.nullable(),
    finish_at: time
      .nullable()
      .describe(
        'after more urgent and older batches; null: nothing due, no calls, credits end before, or only `status` has it',
      ),
    deadline: time.nullable(),
    meets_deadline: z.boolean().nullable(),
  })
  .meta({ id: 'batch', description: 'a batch, with its rows by status' })

const causes = z.array(z.enum(PAUSE_CAUSES))

const deadLetter = z.object({
  search: text.describe('fingerprint'),
  query: text,
  status: z.int().nullable(),
  error: text,
  code: text.nullable(),
  message: text.nullable(),
  request_id: text.nullable(),
  attempts: count,
  rows: count,
  found_in: z
    .array(z.object({ batch: z.int(), position: z.int(), id: text.nullable() }))
    .describe('the first five of these rows'),
  died_at: time,
  remedy: text,
  maybe_paid: z.boolean().describe('an earlier call may have been paid for already; a retry is charged again'),
})

const tags = z.object({
  genre: text.nullable(),
  subgenres: z.array(text),
  moods: z.array(text),
  instruments: z.array(text),
  bpm: z.number().nullable(),
  key: text.nullable(),
  energy_level: text.nullable(),
  has_vocals: z.boolean().nullable(),
})

const wait = {
  outcome: z
    .enum(['done', 'rows_without_answer', 'rows_withheld', 'batch_dropped', 'timed_out', 'interrupted'])
    .describe('done: every row has an answer, or --allow-failures allows the others'),
  progress: batch.nullable(),
}

const kinds = {
  submit: {
    batch: z.int().nullable().describe('null: nothing was released'),
    name: text,
    rows: count,
    accepted: count,
    invalid: count,
    invalid_reasons: z.array(text).describe('of the first invalid rows'),
    searches: count.describe('new + already_queued + already_answered + already_dead'),
    new: count,
    already_queued: count,
    already_answered: count,
    already_dead: count,
    credits_needed: count,
    cap: z.int().nullable(),
    credits_remaining: z.int().nullable().describe('null: not known'),
    credits_missing: count.nullable(),
    credit_reserve: count,
    due_elsewhere: count.describe('searches of other batches that are due before or beside it'),
    calls_per_minute: z.number(),
    calls_per_day: z.int().nullable(),
    days: count,
    finish_at: time,
    not_before: time.nullable(),
    deadline: time.nullable(),
    meets_deadline: z.boolean().nullable(),
    paused: z.enum(PAUSE_CAUSES).nullable(),
    rate_limited_until: time.nullable(),
    notes: z.array(text).describe('how the catalog was read'),
    warnings: z.array(text),
    example_queries: z.array(text),
    continues: z
      .object({
        batch: z.int(),
        new: count,
        changed: count.describe('rows whose search is not that of the same row in that batch'),
        gone: count,
        unchanged: count,
      })
      .nullable()
      .describe('with --continue: rows compared with that batch'),
    wait: z.object(wait).optional().describe('with --wait'),
  },
  wait,
  export: {
    batch: z.int(),
    name: text,
    path: text.nullable().describe('null: standard output'),
    format: z.enum(['csv', 'jsonl']),
    rows: count,
    by_status: z.object(byStatus),
    without_answer: count,
  },
  report: { batch: z.int(), name: text, path: text.nullable().describe('null: standard output') },
  status: {
    queue: z.object({
      state: z
        .enum(QUEUE_STATES)
        .describe(
          'the first that applies; unknown: Redis cannot be used, so counts of workers and jobs are 0; write_failure: no worker can write to the store',
        ),
      reason: text,
      until: time.nullable(),
      since: time.nullable(),
      causes,
      probing: z.boolean(),
      waiting: count,
      active: count,
      delayed: count,
      dead_letters: count,
      workers: count,
      write_failures: count,
    }),
    credits: z.object({
      remaining: z.int().nullable(),
      spent: count.describe('calls that the API answered with 200, one credit each'),
      unknown_outcomes: count.describe('calls that may have cost a credit; not in spent'),
      unknown_unseen: count,
      needed: count,
      missing: count,
      last_until: time.nullable(),
    }),
    calls_per_minute: z.object({ limit: z.number().nullable(), last: count }),
    finish_at: time.nullable(),
    notifications: z
      .object({
        pending: count,
        since: time.nullable().describe('when the oldest pending one was stored'),
        senders: count.describe('live workers with TRACKYARD_WEBHOOK_URL'),
      })
      .describe('for the webhook'),
    timeline: z
      .array(z.object({ at: time, kind: z.enum(TIMELINE_KINDS), by: z.enum(ACTORS), what: text }))
      .describe('what happened, newest first'),
    workers: z.array(
      z.object({
        host: text.nullable(),
        pid: z.int().nullable(),
        since: time.nullable(),
        in_flight: count.nullable().describe('at its last heartbeat'),
        write_failure: text.nullable().describe('why it makes no calls'),
      }),
    ),
    batches: z.array(batch),
  },
  unknown_outcomes: {
    calls: z.array(z.object({ search: text, query: text, attempt: count, sent_at: time, detail: text.nullable() })),
  },
  show: {
    row: z
      .object({
        batch: z.int(),
        batch_name: text,
        position: z.int(),
        id: text.nullable(),
        status: z.enum(ROW_STATUSES),
        error: text.nullable().describe('why it is dead or invalid'),
        content: z.unknown().describe('as in the catalog'),
      })
      .nullable()
      .describe('null: a search was asked for'),
    search: z
      .object({
        search: text,
        generation: z.int(),
        round: z.int(),
        request: z.object({
          query: text,
          limit: z.int(),
          offset: z.int(),
          filters: z.record(text, z.unknown()).optional(),
        }),
        state: z.enum(SEARCH_STATES),
        discarded: z.boolean(),
        attempts_used: count,
        death: z
          .object({
            reason: z.enum(DEATH_REASONS),
            status: z.int().nullable(),
            error: text,
            code: text.nullable(),
            message: text.nullable(),
            request_id: text.nullable(),
            remedy: text,
          })
          .nullable(),
        calls: z.array(
          z.object({
            call: z.int(),
            attempt: count,
            sent_at: time,
            finished_at: time.nullable(),
            outcome: z.enum(CALL_OUTCOMES),
            status: z.int().nullable(),
            request_id: text.nullable(),
            detail: text.nullable(),
            credits_remaining: z.int().nullable(),
          }),
        ),
        tags: tags.nullable(),
        answer: z.unknown().describe('as the API sent it'),
        rows: z.array(z.object({ batch: z.int(), position: z.int(), id: text.nullable() })),
      })
      .nullable(),
  },
  dead_letters: { dead_letters: z.array(deadLetter) },
  dead_letter: { dead_letter: deadLetter },
  retry: {
    retried: count,
    due: count,
    withheld: count,
    credits_needed: count.describe('what they may cost: one credit each'),
    maybe_paid: count.describe('how many of them may be paid for already'),
  },
  discard: { discarded: count },
  account: {
    tier: text.nullable(),
    credits_remaining: z.int().nullable(),
    monthly_allowance: z.int().nullable(),
    limit_per_minute: z.int().nullable(),
    limit_per_day: z.int().nullable(),
    remaining_today: z.int().nullable(),
    fresh: z.boolean().describe('false: the last known values, because the API did not answer'),
    heard_at: time.nullable(),
  },
  release: {
    batch,
    credits: count.describe('what this release adds to the budget of the batch, at most'),
    credits_remaining: z.int().nullable(),
    credits_missing: count.nullable(),
    finish_at: time,
  },
  cancel: { batch: z.int(), dropped: z.boolean().describe('true: it was never released'), progress: batch.nullable() },
  pause: { changed: z.boolean(), redis_reached: z.boolean() },
  resume: {
    ended: causes,
    rate_limit_lifted: z.boolean(),
    still_paused: causes,
    retried: count,
    redis_reached: z.boolean(),
  },
  down: {
    workers: count,
    redis_stopped: z.boolean(),
    unsaved_files: z.array(text).describe('answers that workers could not save; the next worker saves them from there'),
  },
  doctor: {
    ok: z.boolean(),
    checks: z.array(
      z.object({
        name: text,
        state: z.enum(['ok', 'warning', 'failed']),
        found: text,
        remedy: text.nullable(),
      }),
    ),
  },
  init: { path: text, key_accepted: z.boolean().nullable().describe('null: the API did not answer') },
  store_copy: { from: text, to: text, rows: count },
  health: { ok: z.boolean(), reason: text },
  simulate: { api_url: text, api_key: text, control_url: text },
}

type Kinds = typeof kinds
export type DocumentKind = keyof Kinds

/** What a command hands to `Cli.result`; version, kind and error are added. */
export type DocumentBody<K extends DocumentKind> = DeepReadonly<z.infer<z.ZodObject<Kinds[K]>>>
export type ErrorBody = z.infer<typeof error>

type DeepReadonly<T> = T extends object ? { readonly [Key in keyof T]: DeepReadonly<T[Key]> } : T

export const DOCUMENT_KINDS = Object.keys(kinds)

const envelope = { version: z.literal(1), error: error.optional() }

export const documentSchema = z.union([
  ...Object.entries(kinds).map(([kind, body]) => z.object({ ...envelope, kind: z.literal(kind), ...body })),
  z.object({ ...envelope, kind: z.literal('error'), error }),
])

/** Fields may be added within a version, so others than these are allowed. */
export function jsonSchema(): object {
  return {
    title: 'What trackyard-batch prints with --json',
    ...z.toJSONSchema(documentSchema, { io: 'input' }),
  }
}
