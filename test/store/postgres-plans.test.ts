/**
 * What a night asks PostgreSQL again and again reads large tables by their indexes only: also by plans that were made
 * when the tables were empty, and before anybody has analysed them. So does the removal of a batch, piece by piece.
 */
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { type PostgresServer, postgresBinaries, startPostgresServer } from '../../scripts/postgres-server.js'
import { openStore } from '../../src/store/open-store.js'
import type { Store } from '../../src/store/store.js'
import { play, queries } from './a-night.js'
import { released } from './setup.js'

const ROWS = 100_000
const ENDED = 30_000
const LARGE = ['item', 'search', 'want', 'call', 'answer']
/** Far fewer rows than a scan of any large table reads. */
const FEW = 5000

const isInstalled = postgresBinaries() !== null
const here = isInstalled ? describe : describe.skip
const testHere = isInstalled ? test : test.skip

here('with a hundred thousand rows', () => {
  let server: PostgresServer
  let store: Store
  let url: string
  const sql = (text: string) => server.query(text, 'large')
  const open = async () => {
    store = await openStore({ path: join(tmpdir(), 'nowhere', 'store.db'), database: { url, ca: null } })
  }
  beforeAll(async () => {
    server = await startPostgresServer({ settings: { autovacuum: 'off' } })
    url = await server.createDatabase('large')
    await open()
    // Plans for any parameters are made at the sixth time, here for tables that are known to be empty.
    await sql('vacuum analyze')
    await released(store, queries('first'))
    for (let turn = 0; turn < 7; turn += 1) await play(store, 'first', turn)
    await sql(FILL)
    await released(store, queries('second'), { first: 30 }, { name: 'later' })
    await released(store, queries('third'), {}, { name: 'third', priority: 'high' })
  })
  afterAll(async () => {
    await store.close()
    await server.close()
  })

  /** Rows read by scans of whole tables, and in all. */
  async function rowsReadIn(work: () => Promise<void>): Promise<{ scanned: number; byIndex: number }> {
    await sql('select pg_stat_reset()')
    await work()
    // A connection tells the server what it has read when it ends, at the latest.
    await store.close()
    const [scanned = '', byIndex = ''] = (
      await sql(
        `select sum(seq_tup_read), sum(idx_tup_fetch) from pg_stat_user_tables
         where relname in (${LARGE.map((name) => `'${name}'`)})`,
      )
    ).split('|')
    return { scanned: Number(scanned), byIndex: Number(byIndex) }
  }

  test('plans of empty tables scan none', async () => {
    const { scanned, byIndex } = await rowsReadIn(() => play(store, 'second', 0))
    expect(scanned).toBeLessThan(FEW)
    expect(byIndex).toBeGreaterThan(100)
  })

  test('nor do new ones, with statistics', async () => {
    await sql('analyze')
    await open()
    const { scanned, byIndex } = await rowsReadIn(async () => {
      for (let turn = 0; turn < 7; turn += 1) await play(store, 'third', turn)
    })
    expect(scanned).toBeLessThan(FEW)
    expect(byIndex).toBeGreaterThan(100)
  })
})

/** By those of before its load, nearly no row is of the batch. */
testHere.each(['no statistics', 'those of before'])(
  'each row of a dropped batch is read once, with %s',
  async (statistics) => {
    const server = await startPostgresServer({ settings: { autovacuum: 'off' } })
    try {
      const url = await server.createDatabase('dropped')
      const sql = (text: string) => server.query(text, 'dropped')
      const open = () => openStore({ path: join(tmpdir(), 'nowhere', 'store.db'), database: { url, ca: null } })
      await (await open()).close()
      await sql(FILL)
      if (statistics !== 'no statistics') await sql('analyze')
      await sql(ABANDONED)
      await sql('select pg_stat_reset()')
      const store = await open()
      expect(await store.batches.dropAbandoned(2)).toBe(1)
      await store.close()
      const readOf = async (table: string) =>
        Number(await sql(`select sum(idx_tup_read) from pg_stat_user_indexes where relname = '${table}'`))
      expect(Number(await sql('select sum(seq_tup_read) from pg_stat_user_tables'))).toBeLessThan(FEW)
      expect(await readOf('item')).toBeLessThan(ROWS + FEW)
      // A second time for whether another batch wants the search.
      expect(await readOf('want')).toBeLessThan(2 * ROWS + FEW)
      expect(await readOf('search')).toBeLessThan(3 * ROWS)
      expect(await sql('select count(*), max(batch_id) from item')).toBe(`${ROWS}|1\n`)
      expect(await sql('select count(*), max(batch_id) from want')).toBe(`${ROWS}|1\n`)
      expect(await sql('select max(id) from search')).toBe(`${ROWS}\n`)
      expect(await sql('select max(id) from batch')).toBe('1\n')
    } finally {
      await server.close()
    }
  },
)

/** Its loader is gone. Half of its searches are its own, half are the other batch's, too. */
const ABANDONED = `
  insert into batch (name, state, priority, format, columns, created_at, heard_at, items, pending)
    values ('abandoned', 'loading', 'low', 'csv', '["id"]', 1, 1, ${ROWS}, ${ROWS});
  insert into search (id, fingerprint, generation, request, state)
    select ${ROWS} + n, sha256(n::text::bytea), 2, '{"query":"filler"}', 'waiting' from generate_series(1, ${ROWS / 2}) as n;
  insert into item (batch_id, position, line, key, row, search_id)
    select 2, n, n, 'abandoned-' || n, '["x"]', ${ROWS / 2} + n from generate_series(1, ${ROWS}) as n;
  insert into want (batch_id, search_id, items, first_position)
    select 2, ${ROWS / 2} + n, 1, n from generate_series(1, ${ROWS}) as n`

/** A released batch of so many searches, of which some have ended. */
const FILL = `
  insert into batch (name, state, priority, format, columns, created_at, heard_at, items, pending, tagged)
    values ('large', 'released', 'low', 'csv', '["id"]', 1, 1, ${ROWS}, ${ROWS - ENDED}, ${ENDED});
  create temp table number as select n, (select coalesce(max(id), 0) from search) + n as search_id,
      (select max(id) from batch) as batch_id from generate_series(1, ${ROWS}) as n;
  insert into search (id, fingerprint, generation, request, state, tracks, answered_at)
    select search_id, sha256(n::text::bytea), 1, '{"query":"filler"}',
      case when n <= ${ENDED} then 'answered' else 'waiting' end, case when n <= ${ENDED} then 3 end,
      case when n <= ${ENDED} then 5 end from number;
  select setval('search_id_seq', (select max(id) from search));
  insert into item (batch_id, position, line, key, row, search_id)
    select batch_id, n, n, 'large-' || n, '["x"]', search_id from number;
  insert into want (batch_id, search_id, items, first_position) select batch_id, search_id, 1, n from number;
  insert into answer (search_id, body) select search_id, '{"tracks":[]}' from number where n <= ${ENDED};
  insert into call (search_id, round, attempt, batch_id, sent_at, finished_at, outcome)
    select search_id, 1, 1, batch_id, 5, 6, 'answered' from number where n <= ${ENDED};
  update call_count set calls = calls + ${ENDED} where outcome = 'answered'`
