import { appendFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { expect, test } from '@jest/globals'
import { silentLogger } from '../../src/domain/logger.js'
import { recordUnsaved, type UnsavedEnd, unsavedSince, writeUnsaved } from '../../src/processing/unsaved.js'
import type { Store } from '../../src/store/store.js'
import {
  claim,
  ENDINGS,
  type Ending,
  eachWithStore,
  facts,
  feedAll,
  granted,
  keyOf,
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

const now = () => 20_000
const files = () => readdirSync(dirname(opened.path)).filter((name) => name.includes('.unsaved-'))

function unsaved(callId: number, query: string, ending: Ending): UnsavedEnd {
  const end = { ...ENDINGS[ending], detail: null, facts: facts(), now: 11_000 }
  return { callId, token: keyOf(store, callId).token, query, ref: refOf(query), end }
}

const answered = (callId: number, query: string) => unsaved(callId, query, 'answered')

test('the next worker records what a worker could not save, once', async () => {
  await released(store, ['one', 'two'])
  await feedAll(store)
  const path = writeUnsaved(store, [answered(await granted(store, 'one'), 'one')])
  expect((statSync(path).mode & 0o777).toString(8)).toBe('600')
  expect(unsavedSince(store, statSync(path).mtimeMs)).toEqual([path])
  expect(unsavedSince(store, statSync(path).mtimeMs + 1)).toEqual([])
  await recordUnsaved({ store, log: silentLogger, now })
  expect(await claim(store, 'one')).toMatchObject({ kind: 'nothing_to_do', why: 'answered' })
  expect((await store.reports.totals(0)).callsByOutcome).toMatchObject({ answered: 1, sent: 0 })
  expect(files()).toEqual([expect.stringMatching(/\.jsonl\.saved$/)])
  await recordUnsaved({ store, log: silentLogger, now })
  expect((await store.reports.totals(0)).callsByOutcome).toMatchObject({ answered: 1 })
})

test('two workers that start in one data directory record them together', async () => {
  await released(store, ['one'])
  await feedAll(store)
  writeUnsaved(store, [answered(await granted(store, 'one'), 'one')])
  await Promise.all([1, 2].map(() => recordUnsaved({ store, log: silentLogger, now })))
  expect(await claim(store, 'one')).toMatchObject({ kind: 'nothing_to_do', why: 'answered' })
  expect(files()).toEqual([expect.stringMatching(/\.jsonl\.saved$/)])
})

test.each([
  ['null', () => null],
  ['no end', (line: object) => ({ ...line, end: undefined })],
  ['no token', (line: object) => ({ ...line, token: undefined })],
  ['the end in an earlier form', (line: object) => ({ ...line, end: { closing: { do: 'succeed' } } })],
])('a line that is not ours (%s) is skipped: the others are recorded and the file stays', async (_, changed) => {
  await released(store, ['one', 'two'])
  await feedAll(store)
  const path = writeUnsaved(store, [answered(await granted(store, 'one'), 'one')])
  const second = { storeId: store.id, ...answered(await granted(store, 'two'), 'two') }
  appendFileSync(path, `${JSON.stringify(changed(second))}\n`)
  await recordUnsaved({ store, log: silentLogger, now })
  expect(await claim(store, 'one')).toMatchObject({ kind: 'nothing_to_do', why: 'answered' })
  expect((await store.reports.totals(0)).callsByOutcome).toMatchObject({ answered: 1, sent: 1 })
  expect(readFileSync(files().map((name) => join(dirname(path), name))[0] ?? '', 'utf8')).toContain('"storeId"')
})

test('unsaved answers of another store, or of a search that is lost, are left alone', async () => {
  await released(store, ['one', 'two'])
  await feedAll(store)
  const callId = await granted(store, 'one')
  const path = writeUnsaved(store, [answered(callId, 'one'), answered(callId, 'three')])
  await recordUnsaved({ store: { ...store, id: 'another store' }, log: silentLogger, now })
  expect((await store.reports.totals(0)).callsByOutcome).toMatchObject({ answered: 0, sent: 1 })
  for (let start = 1; start <= 2; start += 1) {
    await recordUnsaved({ store, log: silentLogger, now })
    expect((await store.reports.totals(0)).callsByOutcome).toMatchObject({ answered: 1, sent: 0 })
    expect(readFileSync(path, 'utf8')).toContain('"storeId"')
  }
})

test('an answer of a call that was lost with a restore is saved with its search', async () => {
  await released(store, ['one', 'two'])
  await feedAll(store)
  // Its number is that of another call by now.
  writeUnsaved(store, [answered(await granted(store, 'one'), 'two')])
  await recordUnsaved({ store, log: silentLogger, now })
  expect((await store.reports.totals(0)).callsByOutcome).toMatchObject({ answered: 1, sent: 1 })
  expect(await claim(store, 'two')).toMatchObject({ kind: 'nothing_to_do', why: 'answered' })
  expect(await claim(store, 'one')).toMatchObject({ kind: 'call_open' })
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
    await recordUnsaved({ store: { ...store, id: 'another store' }, log, now, home })
    expect(warnings).toEqual([])
    await recordUnsaved({ store, log, now, home })
    expect(await claim(store, 'one')).toMatchObject({ kind: 'nothing_to_do', why: 'answered' })
    expect(readdirSync(home)).toEqual([expect.stringMatching(/\.jsonl\.saved$/)])
  } finally {
    rmSync(home, { recursive: true })
  }
})

test('every kind of decision is recorded: nothing paid for is bought again', async () => {
  const kinds = ['answered', 'unreadable', 'failed', 'rateLimited', 'outOfCredits', 'unpaidAlone'] as const
  await released(store, [...kinds])
  await feedAll(store)
  const ends: UnsavedEnd[] = []
  for (const kind of kinds) ends.push(unsaved(await granted(store, kind), kind, kind))
  writeUnsaved(store, ends)
  await recordUnsaved({ store, log: silentLogger, now })
  expect((await store.reports.totals(0)).callsByOutcome).toMatchObject({
    ...{ sent: 0, answered: 1, unreadable: 1, transient: 1, rate_limited: 1, out_of_credits: 2 },
  })
  // Auto-resume looks for a top-up for some hours from then on, however old the 402 is.
  expect(await store.pauses.list()).toEqual([{ cause: 'no_credits', since: now(), detail: 'Out of credits' }])
  expect(await store.pauses.rateLimitedUntil(20_000)).toBe(70_000)
  expect(await claim(store, 'answered')).toMatchObject({ kind: 'nothing_to_do', why: 'answered' })
  expect(await claim(store, 'unreadable')).toMatchObject({ kind: 'nothing_to_do', why: 'dead' })
  expect(files()).toEqual([expect.stringMatching(/\.jsonl\.saved$/)])
})
