import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { expect, test } from '@jest/globals'
import { silentLogger } from '../../src/domain/logger.js'
import { recordUnsaved, type UnsavedEnd, writeUnsaved } from '../../src/processing/unsaved.js'
import type { Store } from '../../src/store/store.js'
import {
  claim,
  ENDINGS,
  eachWithStore,
  facts,
  feedAll,
  granted,
  refOf,
  released,
  type TempStore,
} from '../store/setup.js'

let opened: TempStore
let store: Store
eachWithStore((temp) => {
  opened = temp
  store = temp.store
})

const files = () => readdirSync(dirname(opened.path)).filter((name) => name.includes('.unsaved-'))

function answered(callId: number, query: string): UnsavedEnd {
  return { callId, query, ref: refOf(query), end: { ...ENDINGS.answered, detail: null, facts: facts(), now: 11_000 } }
}

test('the next worker records what a worker could not save, once', async () => {
  await released(store, ['one', 'two'])
  await feedAll(store)
  const path = writeUnsaved(store, [answered(await granted(store, 'one'), 'one')])
  expect((statSync(path).mode & 0o777).toString(8)).toBe('600')
  await recordUnsaved({ store, log: silentLogger })
  expect(await claim(store, 'one')).toMatchObject({ kind: 'nothing_to_do', why: 'answered' })
  expect((await store.reports.totals(0)).callsByOutcome).toMatchObject({ answered: 1, sent: 0 })
  expect(files()).toEqual([expect.stringMatching(/\.jsonl\.saved$/)])
  await recordUnsaved({ store, log: silentLogger })
  expect((await store.reports.totals(0)).callsByOutcome).toMatchObject({ answered: 1 })
})

test('unsaved answers of another call or another store are left alone', async () => {
  await released(store, ['one', 'two'])
  await feedAll(store)
  const callId = await granted(store, 'one')
  const path = writeUnsaved(store, [answered(callId, 'two')])
  await recordUnsaved({ store: { ...store, id: 'another store' }, log: silentLogger })
  await recordUnsaved({ store, log: silentLogger })
  expect((await store.reports.totals(0)).callsByOutcome).toMatchObject({ answered: 0, sent: 1 })
  expect(readFileSync(path, 'utf8')).toContain('"storeId"')
})

test('what was written to the home directory, for want of space beside the store, is found there', async () => {
  const home = mkdtempSync(join(tmpdir(), 'home-'))
  try {
    await released(store, ['one'])
    await feedAll(store)
    const full = { id: store.id, path: join(opened.path, basename(opened.path)) }
    const path = writeUnsaved(full, [answered(await granted(store, 'one'), 'one')], home)
    expect(dirname(path)).toBe(home)
    const warnings: object[] = []
    const log = { ...silentLogger, warn: (facts: object) => void warnings.push(facts) }
    await recordUnsaved({ store: { ...store, id: 'another store' }, log, home })
    expect(warnings).toEqual([])
    await recordUnsaved({ store, log, home })
    expect(await claim(store, 'one')).toMatchObject({ kind: 'nothing_to_do', why: 'answered' })
    expect(readdirSync(home)).toEqual([expect.stringMatching(/\.jsonl\.saved$/)])
  } finally {
    rmSync(home, { recursive: true })
  }
})
