import { afterAll, beforeAll, expect, jest, test } from '@jest/globals'
import Database from 'better-sqlite3'
import { status } from '../../src/batches/status.js'
import { openStore } from '../../src/store/open-store.js'
import type { Store } from '../../src/store/store.js'
import { feedAll, newBatch, release, row, settle, storeInTemp, type TempStore } from '../store/setup.js'
import { setup } from './setup.js'

/** What an open overview costs, every two seconds, with a large store: no look at every row, search or call. */
const ROWS = 60_000
const CHUNK = 5_000
const LARGE = ['item', 'search', 'want', 'call', 'answer', 'sample', 'timeline']

let temp: TempStore
beforeAll(async () => {
  temp = await storeInTemp()
  await fill(temp.store, temp.path)
}, 240_000)
afterAll(() => temp.end())

test('the overview reads by index what it shows, in few statements', async () => {
  const texts: string[] = []
  const prepare = Database.prototype.prepare
  Database.prototype.prepare = function (this: Database.Database, text: string) {
    texts.push(text)
    return prepare.call(this, text)
  } as typeof prepare
  const store = await openStore({ path: temp.path, actor: 'board' })
  texts.length = 0
  const settings = { rateLimit: 'auto', autoResumeHours: 24, creditReserve: 0, activeHours: null } as const
  const report = () => status({ store, queue: null, now: Date.now, settings }, { limit: 20 })
  await using board = await setup({ report, store })
  texts.length = 0
  try {
    const started = performance.now()
    const html = await (await board.get('/?range=week')).text()
    const firstMs = performance.now() - started
    expect(html).toContain('60,000 rows')
    const again = performance.now()
    await (await board.get('/?range=week')).text()
    // For the eye: the bound is the number of statements, and what they look at.
    const ms = [firstMs, performance.now() - again].map((time) => `${time.toFixed(0)} ms`)
    process.stderr.write(`overview of ${ROWS} rows: ${ms.join(', then ')}, ${texts.length} statements\n`)
  } finally {
    Database.prototype.prepare = prepare
  }
  expect(texts.length).toBeGreaterThan(5)
  expect(texts.length).toBeLessThan(30)
  const file = new Database(temp.path, { readonly: true })
  const scans = texts
    // The newest few by their key are no look at all.
    .filter((text) => /^\s*(select|with)/i.test(text) && !/ order by id desc limit /.test(text))
    .flatMap((text) => plan(file, text).map((step) => `${step} ← ${text.replace(/\s+/g, ' ').slice(0, 120)}`))
  file.close()
  await store.close()
  expect(scans).toEqual([])
}, 240_000)

test('a search for words reads every request in pieces, with other work in between', async () => {
  let turns = 0
  const count = () => {
    turns += 1
    next = setImmediate(count)
  }
  let next = setImmediate(count)
  const search = async (text: string) => (await temp.store.reports.searchesByQuery(text, 3)).map(({ query }) => query)
  expect(await search('nowhere')).toEqual([])
  expect(turns).toBeGreaterThan(3)
  clearImmediate(next)
  expect(await search('query 59999')).toEqual(['query 59999'])
  expect(await search('QUERY 1234')).toEqual(['query 12349', 'query 12348', 'query 12347'])
  expect(await search('query 7')).toHaveLength(3)
  expect(await search('query 0')).toEqual(['query 0'])
})

test('an id of a row is looked up by its index', async () => {
  const prepare = jest.spyOn(Database.prototype, 'prepare')
  const store = await openStore({ path: temp.path })
  await store.reports.show('nowhere', null)
  const texts = prepare.mock.calls.map(([text]) => text).filter((text) => /item\.key = @what/.test(text))
  prepare.mockRestore()
  await store.close()
  const file = new Database(temp.path, { readonly: true })
  const steps = texts.flatMap((text) => planOf(file, text))
  file.close()
  expect(steps).toContain('SEARCH item USING INDEX item_key (batch_id=? AND key=?)')
})

/** The steps that look at every row of a large table. */
function plan(file: Database.Database, text: string): string[] {
  return planOf(file, text).filter(
    (detail) => new RegExp(`^SCAN (${LARGE.join('|')})( |$)`).test(detail) && !/USING (COVERING )?INDEX/.test(detail),
  )
}

function planOf(file: Database.Database, text: string): string[] {
  const names = [...text.matchAll(/@(\w+)/g)].map(([, name = '']) => name)
  const parameters = Object.fromEntries(names.map((name) => [name, null]))
  const steps = file.prepare(`explain query plan ${text}`).all(parameters) as { detail: string }[]
  return steps.map(({ detail }) => detail)
}

async function fill(store: Store, path: string): Promise<void> {
  const id = await store.batches.create(newBatch({ name: '60,000 rows', createdAt: Date.now() - 3_600_000 }))
  for (let from = 0; from < ROWS; from += CHUNK)
    await store.batches.addRows(
      id,
      Array.from({ length: CHUNK }, (_, index) => row(from + index + 1, `query ${from + index}`)),
      1000,
    )
  await release(store, id)
  await feedAll(store)
  await settle(store, 'query 1', 'answered')
  const file = new Database(path)
  // A week of calls, one sample a minute.
  file.exec(`
    with recursive n (i) as (select 1 union all select i + 1 from n where i < 200000)
    insert into call (search_id, round, attempt, batch_id, sent_at, finished_at, outcome, status)
      select 2 + i % 50000, 1, 1, 1, ${Date.now()} - i * 3000, ${Date.now()} - i * 3000 + 500, 'answered', 200 from n;
    with recursive n (i) as (select 1 union all select i + 1 from n where i < 10080)
    insert or ignore into sample (minute, credits, limit_per_minute, rows, rows_done, stopped, answered, unreadable,
      unknown, rate_limited, out_of_credits, unauthorized, refused, transient)
      select ${Math.floor(Date.now() / 60_000)} - i, 1000 + i, 300, 60000, 10080 - i, null, (10080 - i) * 300, 0, 0, 0, 0, 0, 0, 0 from n;`)
  file.close()
}
