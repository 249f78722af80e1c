/** What a night asks SQLite again and again reads large tables by an index, and of that only a part. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, jest, test } from '@jest/globals'
import Database from 'better-sqlite3'
import { openStore } from '../../src/store/open-store.js'
import { play, queries } from './a-night.js'
import { released } from './setup.js'

/** A whole table or all of it up to some moment. The indexes `search_…`, `call_open` and `call_unknown` have few rows. */
const READS_ALL =
  /^SCAN (item|search|want|call|answer)\b(?!.* (search_\w+|call_open|call_unknown)$)|\((sent_at|finished_at)<\?\)/

test('no statement reads all of a large table', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'plans-'))
  const path = join(directory, 'store.db')
  const store = await openStore({ path })
  const prepare = jest.spyOn(Database.prototype, 'prepare')
  try {
    await released(store, queries('a'), { first: 30 })
    await released(store, queries('b'), {}, { name: 'b', priority: 'high' })
    await play(store, 'b', 0)
    const texts = [...new Set(prepare.mock.calls.map(([text]) => text))]
    prepare.mockRestore()
    const handle = new Database(path)
    const plans = texts.map((text) => ({ text, plan: planOf(handle, text) }))
    handle.close()
    expect(plans.filter(({ plan }) => plan.some((line) => READS_ALL.test(line)))).toEqual([])
  } finally {
    await store.close()
    rmSync(directory, { recursive: true })
  }
})

function planOf(handle: Database.Database, text: string): readonly string[] {
  if (!/^\s*(select|with|update|delete)/i.test(text)) return []
  const parameters = Object.fromEntries([...text.matchAll(/@(\w+)/g)].map(([, name]) => [name, '[]']))
  const rows = handle.prepare<unknown[], { detail: string }>(`explain query plan ${text}`).all(parameters)
  return rows.map(({ detail }) => detail)
}
