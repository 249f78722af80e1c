import { afterEach, beforeEach, expect, test } from '@jest/globals'
import Database from 'better-sqlite3'
import { auditStore } from '../../scripts/chaos/audit.js'
import { TAGS_RULE } from '../../src/domain/tags.js'
import type { Store } from '../../src/store/store.js'
import { feedAll, released, settle, storeInTemp } from '../store/setup.js'

let temp: Awaited<ReturnType<typeof storeInTemp>>
let store: Store
beforeEach(async () => {
  temp = await storeInTemp()
  store = temp.store
  await released(store, ['calm', 'dark', 'calm'])
  await feedAll(store)
  await settle(store, 'calm', 'answered')
})
afterEach(() => temp.end())

function tamper(statement: string): void {
  const database = new Database(temp.path)
  database.exec(statement)
  database.close()
}

test('a store that is right has no damage and no miscount; its searches and calls are told', async () => {
  const { damage, miscounts, searches, calls } = await auditStore(temp)
  expect({ damage, miscounts }).toEqual({ damage: [], miscounts: [] })
  expect(searches).toMatchObject([
    { query: 'calm', state: 'answered', hasAnswer: true },
    { query: 'dark', state: 'queued', hasAnswer: false },
  ])
  expect(calls).toMatchObject([{ query: 'calm', outcome: 'answered', round: 1 }])
})

test.each([
  ['update batch set items = 9', 'batch 1 items: stored as 9, counted 3'],
  ['update batch set tagged = 9', 'batch 1 tagged: stored as 9, counted 2'],
  ['update batch set dead = 9', 'batch 1 dead: stored as 9, counted 0'],
  ['update batch set pending = 9', 'batch 1 pending: stored as 9, counted 1'],
  ['update batch set charged = 9', 'batch 1 charged: stored as 9, counted 1'],
  ["update call_count set calls = 9 where outcome = 'answered'", 'calls answered: stored as 9, counted 1'],
])('after "%s" it tells "%s"', async (statement, told) => {
  tamper(statement)
  expect((await auditStore(temp)).miscounts).toEqual([told])
})

test('an answered search without its answer is told', async () => {
  tamper('delete from answer')
  expect((await auditStore(temp)).miscounts).toEqual([expect.stringContaining('(answered): stored as 1, counted 0')])
})

test('tags that are not those of the answer are told, unless an older rule made them', async () => {
  tamper("insert into tagging (search_id, rule, json) select search_id, 0, '{}' from answer")
  expect((await auditStore(temp)).damage).toEqual([])
  tamper(`update tagging set rule = ${TAGS_RULE}`)
  expect((await auditStore(temp)).damage).toEqual(['the tags of search 1 do not follow from its answer'])
})

test('a row that points at nothing is told', async () => {
  tamper("pragma foreign_keys = off; delete from search where state = 'queued'")
  expect((await auditStore(temp)).damage).toContain('a row of item refers to a missing row of search')
})
