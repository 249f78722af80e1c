/** Statements by the migration's name, oldest first. Their number is the schema version. */
export type Migrations = Readonly<Record<string, readonly string[]>>

const TABLES = [
  'create table meta (key text primary key, value text not null) strict, without rowid',

  `create table account (
    id integer primary key check (id = 1),
    credits_remaining integer, limit_per_minute integer, limit_per_day integer, remaining_today integer,
    tier text, monthly_allowance integer, heard_at integer
  ) strict`,

  'create table pause (cause text primary key, since integer not null, detail text not null) strict, without rowid',

  `create table batch (
    id integer primary key autoincrement,
    name text not null,
    state text not null check (state in ('loading', 'released', 'cancelled')),
    priority text not null,
    catalog_path text, format text not null, delimiter text, columns text not null, template text,
    max_age_ms integer, max_credits integer, first integer,
    created_at integer not null, heard_at integer not null, completed_at integer, announced_at integer,
    dropping integer not null default 0,
    fed_to integer not null default 0,
    charged integer not null default 0,
    pending integer not null default 0,
    items integer not null default 0,
    invalid integer not null default 0,
    tagged integer not null default 0,
    no_match integer not null default 0,
    dead integer not null default 0
  ) strict`,
  'create index batch_name on batch (name)',

  `create table search (
    id integer primary key autoincrement,
    fingerprint blob not null,
    generation integer not null,
    request text not null,
    state text not null check (state in ('waiting', 'queued', 'answered', 'dead')),
    round integer not null default 1,
    failures integer not null default 0,
    queued_priority text, queued_at integer,
    answered_at integer, tracks integer,
    verdict_call integer,
    died_at integer, death_reason text, death_status integer, death_error text, death_code text,
    death_message text, death_request_id text, death_remedy text,
    discarded integer not null default 0,
    unique (fingerprint, generation)
  ) strict`,
  "create index search_waiting on search (id) where state = 'waiting'",
  "create index search_queued on search (id, queued_priority) where state = 'queued'",
  "create index search_dead on search (id) where state = 'dead' and discarded = 0",

  `create table item (
    batch_id integer not null references batch,
    position integer not null,
    key text, row text not null,
    search_id integer references search,
    problem text,
    primary key (batch_id, position)
  ) strict, without rowid`,
  'create index item_key on item (batch_id, key) where key is not null',
  'create index item_search on item (search_id) where search_id is not null',
  'create index item_problem on item (batch_id, position) where problem is not null',

  `create table want (
    batch_id integer not null references batch,
    search_id integer not null references search,
    items integer not null,
    first_position integer not null,
    primary key (batch_id, search_id)
  ) strict, without rowid`,
  'create index want_search on want (search_id, batch_id)',

  'create table answer (search_id integer primary key references search, body text not null) strict',

  `create table call (
    id integer primary key autoincrement,
    search_id integer not null references search,
    round integer not null,
    attempt integer not null,
    batch_id integer not null,
    sent_at integer not null, finished_at integer,
    outcome text not null,
    status integer, request_id text, detail text, credits_remaining integer, unreadable text
  ) strict`,
  'create index call_search on call (search_id)',
  "create unique index call_open on call (search_id) where outcome = 'sent'",
  "create index call_unknown on call (id) where outcome = 'unknown'",
  'create index call_sent_at on call (sent_at)',
  'create index call_finished_at on call (finished_at) where finished_at is not null',

  'create table call_count (outcome text primary key, calls integer not null) strict, without rowid',
]

/**
 * The schema's history, oldest first. Never edit a released migration: append a new one. Migrations
 * only add: a worker of the previous version may still be running, and an answer that it cannot
 * write is lost. It works with a store that is one migration ahead, so a release that is to be installed
 * machine by machine adds one migration.
 *
 * The number in a name means nothing; the order here counts. Take the next free one.
 */
export const MIGRATIONS: Migrations = {
  '0001-the-record': TABLES,
  '0002-byte-order-mark': ['alter table batch add byte_order_mark integer not null default 0'],
  '0003-dead-letters-by-time': [
    "create index search_dead_since on search (died_at, id) where state = 'dead' and discarded = 0",
  ],
  '0004-queued-for-less': ['alter table batch add raised integer not null default 0'],
  '0005-through': ['alter table batch add through_at integer'],
  '0006-lines': ['alter table item add line integer'],
  '0007-notifications': [
    'create table notification (id integer primary key autoincrement, text text not null unique, created_at integer not null) strict',
  ],
  '0008-refusals': [
    'alter table search add rate_limits integer not null default 0',
    'alter table search add refusals integer not null default 0',
    'alter table search add refused_from integer',
    `create index search_refused on search (id)
      where refused_from is not null and state in ('waiting', 'queued')`,
  ],
  '0009-quoting': [
    "alter table batch add quoting text not null default 'csv'",
    "alter table batch add preamble text not null default ''",
  ],
  '0014-schedule': [
    'create table schedule (batch_id integer primary key, not_before integer, deadline integer) strict',
  ],
  // Not filled for earlier answers: an export derives what is missing.
  '0016-taggings': [
    'create table tagging (search_id integer primary key references search, rule integer not null, json text not null) strict',
  ],
  // Batches that were released or done before are not notified again.
  '0020-notification-events': [
    'alter table notification add details text',
    'alter table batch add release_notified_at integer',
    'alter table batch add dead_letters_notified_at integer',
    'update batch set release_notified_at = created_at, dead_letters_notified_at = created_at',
  ],
  '0018-activity': [
    `create table sample (
      minute integer primary key, credits integer, limit_per_minute real,
      rows integer not null, rows_done integer not null, stopped text,
      answered integer not null, unreadable integer not null, unknown integer not null, rate_limited integer not null,
      out_of_credits integer not null, unauthorized integer not null, refused integer not null,
      transient integer not null
    ) strict`,
  ],
  '0019-timeline': [
    `create table timeline (
      id integer primary key autoincrement, at integer not null, kind text not null, actor text not null,
      what text not null
    ) strict`,
    'create index timeline_at on timeline (at)',
  ],
  '0021-claim-token': ['alter table call add token integer'],
  '0022-continues': ['alter table batch add continues integer', 'alter table batch add row_options text'],
  '0023-activity-of-batches': ['alter table sample add batches text'],
  '0024-refused-of-first': ['alter table batch add refused integer not null default 0'],
  // Batches that were cancelled before are not notified.
  '0025-late-and-cancelled': [
    'alter table batch add late_notified_at integer',
    'alter table batch add cancel_notified_at integer',
    "update batch set cancel_notified_at = created_at where state = 'cancelled'",
  ],
}

/** The version of the schema that this program creates and expects. */
export const SCHEMA_VERSION = Object.keys(MIGRATIONS).length
