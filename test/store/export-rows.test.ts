import { statSync } from 'node:fs'
import { setTimeout } from 'node:timers/promises'
import { expect, test } from '@jest/globals'
import { parseTracks } from '../../src/domain/answer.js'
import { TAGS_RULE, tagging } from '../../src/domain/tags.js'
import { exportRows } from '../../src/store/export-rows.js'
import { openConnection } from '../../src/store/sqlite/connection.js'
import type { Store } from '../../src/store/store.js'
import { eachWithStore, facts, granted, keyOf, released, settle } from './setup.js'

let store: Store
eachWithStore((opened) => {
  store = opened.store
})
const exported = (batchId: number, snapshotMs: number) =>
  exportRows(openConnection(store.path, 'read'), batchId, { snapshotMs })

/** So much is written, in transactions of their own. */
async function write(megabytes: number): Promise<void> {
  const connection = openConnection(store.path, 'write')
  for (let n = 0; n < megabytes; n++) {
    const value = String(n % 10).repeat(1024 * 1024)
    await connection.write((tx) =>
      tx.run(
        "insert into meta (key, value) values ('junk', @value) on conflict (key) do update set value = excluded.value",
        { value },
      ),
    )
  }
  await connection.close()
}

const logBytes = () => statSync(`${store.path}-wal`).size

test('the write-ahead log stays small while nobody reads an export', async () => {
  const id = await released(store, ['a', 'b', 'c'])
  const rows = exported(id, 20)
  expect((await rows.next()).value).toMatchObject({ position: 1 })
  await setTimeout(100)
  await write(80)
  expect(logBytes()).toBeLessThan(40 * 1024 * 1024)
  const rest: number[] = []
  for await (const row of rows) rest.push(row.position)
  expect(rest).toEqual([2, 3])
})

test('a long read transaction would let it grow', async () => {
  const id = await released(store, ['a', 'b', 'c'])
  const rows = exported(id, 60_000)
  await rows.next()
  await write(80)
  expect(logBytes()).toBeGreaterThan(60 * 1024 * 1024)
  await rows.return(undefined)
})

test('an export over several snapshots has every row once, in order', async () => {
  const queries = Array.from({ length: 2000 }, (_, index) => `query ${index}`)
  const id = await released(store, queries)
  const seen: { position: number; status: string }[] = []
  for await (const { position, status } of exported(id, 1)) {
    seen.push({ position, status })
    if (position % 100 === 0) await setTimeout(2)
    if (position === 1000) {
      await settle(store, 'query 1', 'answered')
      await settle(store, 'query 1500', 'answered')
    }
  }
  expect(seen.map((row) => row.position)).toEqual(queries.map((_, index) => index + 1))
  expect(seen.filter((row) => row.status === 'tagged').map((row) => row.position)).toEqual([1501])
})

test('a row brings what is stored beside its answer, and the answer only where an older rule stored it, or none', async () => {
  const body = JSON.stringify({ tracks: [{ id: 'trk_1', title: 'Harbour', moods: ['calm'] }] })
  const made = tagging(parseTracks(body) ?? [])
  const id = await released(store, ['new', 'older', 'unsaved', 'none', 'open'])
  const answers = { new: made, older: made, unsaved: undefined, none: null }
  for (const [query, kept] of Object.entries(answers)) {
    const answer = query === 'none' ? '{"tracks":[]}' : body
    const decision = {
      do: 'succeed',
      body: answer,
      tracks: query === 'none' ? 0 : 1,
      durationMs: 1,
    } as const
    const end = {
      outcome: 'answered',
      decision: kept === undefined ? decision : { ...decision, tagging: kept },
    } as const
    const key = keyOf(store, await granted(store, query))
    await store.calls.close(key, { ...end, detail: null, facts: facts(), now: 11_000 }, 11_000)
  }
  const connection = openConnection(store.path, 'write')
  await connection.write((tx) =>
    tx.run('update tagging set rule = @older where search_id = 2', { older: TAGS_RULE - 1 }),
  )
  await connection.close()
  expect((await all(exported(id, 60_000))).map(({ status, tagging, answer }) => [status, tagging, answer])).toEqual([
    ['tagged', JSON.stringify(made), null],
    ['tagged', null, body],
    ['tagged', null, body],
    ['no_match', null, null],
    ['waiting', null, null],
  ])
})

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = []
  for await (const item of items) list.push(item)
  return list
}
