import { join } from 'node:path'
import { expect } from '@jest/globals'
import Database from 'better-sqlite3'
import type { CallOutcome } from '../../src/domain/outcome.js'
import type { SystemUnderTest } from './system-under-test.js'
import { until } from './until.js'

/** The store's own books, read beside the program: what the oracle of the system tests compares with the simulator's log. */
export interface Ledger {
  readonly calls: Readonly<Partial<Record<CallOutcome, number>>>
  /** Attempts used by all searches together. */
  readonly failures: number
  readonly searches: number
  /** `ok`, or what SQLite found wrong. */
  readonly integrity: string
}

export function readLedger(system: Pick<SystemUnderTest, 'dataDir'>): Ledger {
  return looking(system, (db) => {
    const calls = db.prepare<[], { outcome: CallOutcome; calls: number }>(
      'select outcome, count(*) as calls from call group by 1',
    )
    const search = db.prepare<[], { searches: number; failures: number }>(
      'select count(*) as searches, coalesce(sum(failures), 0) as failures from search',
    )
    return {
      calls: Object.fromEntries(calls.all().map((row) => [row.outcome, row.calls])),
      ...(search.get() ?? { searches: 0, failures: 0 }),
      integrity: String(db.pragma('integrity_check', { simple: true })),
    }
  })
}

/** One figure, by SQL. */
export function figure(system: Pick<SystemUnderTest, 'dataDir'>, sql: string): number {
  return looking(system, (db) => Number(db.prepare(sql).pluck().get()))
}

/** The store's own id, as its Redis holds it. */
export function storeId(system: Pick<SystemUnderTest, 'dataDir'>): string {
  return looking(system, (db) => String(db.prepare("select value from meta where key = 'store_id'").pluck().get()))
}

/** Calls that stood open when a process died: each of them may be paid. */
export function openCalls(system: Pick<SystemUnderTest, 'dataDir'>): number {
  return figure(system, "select count(*) from call where outcome = 'sent'")
}

/**
 * The oracle: every row of the catalog has exactly one status, in order; what the server was paid is within the
 * searches and the calls of unknown outcome; each of these is listed by `status` and by `show`; the file is whole.
 */
export async function expectAccounted(
  system: SystemUnderTest,
  expected: { readonly rows: number; readonly unknown: number; readonly status?: (id: string) => string },
): Promise<void> {
  const rows = await system.exported()
  const ids = Array.from({ length: expected.rows }, (_, index) => `r${index + 1}`)
  expect(rows.map(({ id, status }) => ({ id, status }))).toEqual(
    ids.map((id) => ({ id, status: expected.status?.(id) ?? 'tagged' })),
  )
  const ledger = readLedger(system)
  expect(ledger.integrity).toBe('ok')
  expect({ sent: ledger.calls.sent ?? 0, unknown: ledger.calls.unknown ?? 0 }).toEqual({
    sent: 0,
    unknown: expected.unknown,
  })
  expect(system.simulator.paid()).toBeLessThanOrEqual(ledger.searches + expected.unknown)
  expect(system.simulator.paidTwice().length).toBeLessThanOrEqual(expected.unknown)
  expect((await system.status()).credits.unknown_outcomes).toBe(expected.unknown)
  const listed = unknownItems(system)
  expect(listed).toHaveLength(expected.unknown)
  const [id] = listed
  if (id !== undefined) expect(await unknownCallsShown(system, id)).toBe(count(listed, id))
}

/** Every search is answered or dead: a look at the store costs less than a `wait` in a process of its own. */
export function isDone(system: Pick<SystemUnderTest, 'dataDir'>): boolean {
  return figure(system, "select count(*) from search where state in ('waiting', 'queued')") === 0
}

export async function untilDone(system: Pick<SystemUnderTest, 'dataDir'>, timeoutMs = 100_000): Promise<void> {
  await until(() => isDone(system), { timeoutMs, what: 'an outcome of every search', everyMs: 100 })
}

/** One entry per call of unknown outcome: the user's id of the first row that wanted it. */
function unknownItems(system: SystemUnderTest): readonly string[] {
  return looking(system, (db) =>
    db
      .prepare<[], { key: string }>(
        `select (select key from item where item.search_id = call.search_id order by batch_id desc, position limit 1) as key
         from call where outcome = 'unknown'`,
      )
      .all()
      .map((row) => row.key),
  )
}

async function unknownCallsShown(system: SystemUnderTest, id: string): Promise<number> {
  const shown = await system.json<unknown>(['show', id])
  return JSON.stringify(shown).match(/"outcome":"unknown( outcome)?"/g)?.length ?? 0
}

function count(list: readonly string[], what: string): number {
  return list.filter((entry) => entry === what).length
}

function looking<T>(system: Pick<SystemUnderTest, 'dataDir'>, look: (db: Database.Database) => T): T {
  const db = new Database(join(system.dataDir, 'trackyard.db'), { readonly: true })
  try {
    return look(db)
  } finally {
    db.close()
  }
}
