import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from '@jest/globals'
import Database from 'better-sqlite3'
import { type InProcessSystem, refOf, startInProcess } from '../support/in-process-system.js'
import { until } from '../support/until.js'
import { openProcessor } from './setup.js'

/** A bug of ours in what records the end of a call, played by a trigger in the real store that refuses a statement. */
let system: InProcessSystem
beforeEach(async () => {
  system = await startInProcess({ simulator: { credits: 100 } })
  await system.submit(['calm piano', 'dark drums'])
})
afterEach(() => system.close())

function handlerOfToday() {
  const handler = openProcessor(system)
  return (query: string) => handler.handle({ ref: refOf(query) })
}

function refuse(statement: string): void {
  const db = new Database(join(system.dataDir, 'trackyard.db'))
  db.exec(`create trigger bug before ${statement} begin select raise(abort, 'a bug'); end`)
  db.close()
}

const outcomes = async () => (await system.store.reports.totals(0)).callsByOutcome
const errors = () => system.log.lines.filter(({ level }) => level === 'error')

test('a paid answer whose save hits a bug is kept as unreadable, once', async () => {
  refuse('insert on answer')
  const handle = handlerOfToday()
  expect(await handle('calm piano')).toMatchObject({ do: 'deadLetter', death: { code: 'unreadable' } })
  expect(await handle('calm piano')).toMatchObject({ do: 'skip', why: 'dead' })
  expect(await handle('dark drums')).toMatchObject({ do: 'deadLetter' })
  expect(system.simulator.calls()).toHaveLength(2)
  expect(await outcomes()).toMatchObject({ sent: 0, unknown: 0, unreadable: 2 })
  const shown = await system.store.reports.show('r1', null)
  expect(shown).toMatchObject({ search: { answer: expect.stringContaining('tracks') } })
  expect(errors().map(({ facts }) => facts)).toMatchObject([
    { call: 1, search: refOf('calm piano').fingerprint },
    { call: 2, search: refOf('dark drums').fingerprint },
  ])
})

test('a failed call whose recording hits a bug uses an attempt, no credit', async () => {
  refuse('insert on pause')
  system.simulator.setCredits(0)
  const handle = handlerOfToday()
  expect([await handle('calm piano'), await handle('calm piano'), await handle('calm piano')]).toMatchObject([
    { do: 'retry' },
    { do: 'retry' },
    { do: 'deadLetter' },
  ])
  expect(await outcomes()).toMatchObject({ sent: 0, unknown: 0, transient: 3 })
})

test('a call that cannot be recorded at all pauses the queue', async () => {
  refuse('update of finished_at on call')
  const handle = handlerOfToday()
  expect(await handle('calm piano')).toEqual({ do: 'requeue' })
  expect(await system.store.pauses.list()).toMatchObject([
    { cause: 'failing', detail: expect.stringContaining('call 1 cannot be recorded') },
  ])
  expect(await handle('calm piano')).toEqual({ do: 'requeue' })
  expect(await handle('dark drums')).toEqual({ do: 'requeue' })
  expect(system.simulator.calls()).toHaveLength(1)
})

test('calls whose searches were lost with a restore are all named, and nothing pauses', async () => {
  system.simulator.fail({ match: '/./', does: 'late', ms: 500 })
  const handle = handlerOfToday()
  const handled = Promise.all([handle('calm piano'), handle('dark drums')])
  await until(() => system.simulator.calls().length === 2, { timeoutMs: 60_000, what: 'two calls in flight' })
  const db = new Database(join(system.dataDir, 'trackyard.db'))
  db.pragma('foreign_keys = off')
  for (const table of ['call', 'want', 'item', 'search']) db.exec(`delete from ${table}`)
  db.close()
  expect(await handled).toMatchObject([{ do: 'skip' }, { do: 'skip' }])
  expect(errors().map(({ facts }) => facts)).toMatchObject([
    { event: 'call.search_lost', query: 'calm piano' },
    { event: 'call.search_lost', query: 'dark drums' },
  ])
  expect(await system.store.pauses.list()).toEqual([])
})
