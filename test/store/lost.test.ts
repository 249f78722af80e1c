import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import Database from 'better-sqlite3'
import { ConfigurationError, UnreachableError } from '../../src/domain/errors.js'
import { openStore } from '../../src/store/open-store.js'
import { checkStore } from '../../src/store/sqlite/check-store.js'
import type { Store } from '../../src/store/store.js'
import { claim, close, exported, feedAll, granted, released } from './setup.js'

let directory: string
let path: string
let store: Store
beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'lost-'))
  path = join(directory, 'data', 'trackyard.db')
  store = await openStore({ path })
  await released(store, ['one', 'two', 'three'])
  await feedAll(store)
})
afterEach(async () => {
  await store.close()
  rmSync(directory, { recursive: true, force: true })
})

function remove(...endings: string[]): void {
  for (const ending of endings) rmSync(path + ending, { force: true })
}

function replace(ending: string): void {
  remove(ending)
  writeFileSync(path + ending, '')
}

function replaceByCopy(): void {
  copyFileSync(path, `${path}.copy`)
  renameSync(`${path}.copy`, path)
}

function copies(): string[] {
  return readdirSync(dirname(path))
    .filter((name) => name.includes('.rescued-'))
    .map((name) => join(dirname(path), name))
}

async function expectNothingBegins(): Promise<void> {
  await expect(claim(store, 'two')).rejects.toBeInstanceOf(UnreachableError)
  await expect(store.batches.cancel(1, 5)).rejects.toBeInstanceOf(UnreachableError)
  await expect(store.reports.batches({ limit: 1 })).rejects.toBeInstanceOf(UnreachableError)
  await expect(exported(store, 1)).rejects.toBeInstanceOf(UnreachableError)
}

describe('a store that is lost while it is open', () => {
  const kinds: readonly [string, RegExp, () => void][] = [
    ['deleted', /was deleted while in use/, () => remove('', '-wal', '-shm')],
    ['deleted with its directory', /was deleted while in use/, () => rmSync(dirname(path), { recursive: true })],
    ['replaced', /Another file was put in the place/, () => replace('')],
    ['replaced by its copy', /Another file was put in the place/, () => replaceByCopy()],
    ['moved', /was moved away/, () => renameSync(path, join(directory, 'elsewhere.db'))],
    [
      'in a moved directory',
      /Move that file back to .*\. Move the files one by one, not/,
      () => renameSync(dirname(path), join(directory, 'elsewhere')),
    ],
    ['without its log', /log of the store was deleted/, () => remove('-wal')],
    ['without its index', /log of the store was deleted/, () => remove('-shm')],
    ['with another log', /log of the store was replaced/, () => replace('-wal')],
    ['cut off', /was cut off at 0 bytes|is damaged/, () => truncateSync(path, 0)],
    ['without permissions', /permissions of the store .* \(400\)/, () => chmodSync(path, 0o400)],
  ]
  test.each(kinds)('%s: nothing new begins, and the sentence says why and what to do', async (_, sentence, lose) => {
    expect(store.writeFailure()).toBeNull()
    lose()
    await expectNothingBegins()
    const writeFailure = store.writeFailure()
    expect(writeFailure).toMatchObject({ kind: 'lost', cause: expect.stringMatching(sentence) })
    expect(writeFailure?.cause).toMatch(/down`|by themselves|is copied beside it/)
  })

  test('a call in flight still ends, and the copy has its answer', async () => {
    const call = await granted(store, 'one')
    remove('', '-wal', '-shm')
    // It waits for the call.
    await store.rescue(false)
    expect(copies()).toEqual([])
    await close(store, call, 'answered')
    expect(await store.rescue(false)).toBe(true)
    const [copy = ''] = copies()
    expect(store.writeFailure()?.cause).toContain(`is saved in ${copy}`)
    expect((statSync(copy).mode & 0o777).toString(8)).toBe('600')
    // Once: neither it nor the other processes copy the same again.
    expect(await store.rescue(true)).toBe(true)
    expect(copies()).toEqual([copy])
    await store.close()
    renameSync(copy, path)
    store = await openStore({ path })
    expect(await claim(store, 'one')).toMatchObject({ kind: 'nothing_to_do', why: 'answered' })
  })

  test('a store that is moved back or gets its permissions back works again', async () => {
    renameSync(path, join(directory, 'elsewhere.db'))
    await expectNothingBegins()
    renameSync(join(directory, 'elsewhere.db'), path)
    chmodSync(path, 0o000)
    await expectNothingBegins()
    chmodSync(path, 0o600)
    expect(store.writeFailure()).toBeNull()
    expect(await claim(store, 'two')).toMatchObject({ kind: 'granted' })
  })

  test('the log is folded into a store that has lost it, before it is closed', async () => {
    await close(store, await granted(store, 'one'), 'answered')
    remove('-wal')
    expect(await store.rescue(false)).toBe(true)
    expect(copies()).toEqual([])
    await store.close()
    store = await openStore({ path })
    expect(await claim(store, 'one')).toMatchObject({ why: 'answered' })
  })

  test('a VACUUM by another program makes it smaller, and is no loss', async () => {
    const other = new Database(path)
    other.exec('create table ballast (text)')
    other.exec('insert into ballast select hex(randomblob(4000)) from (select 1 union select 2 union select 3), search')
    other.pragma('wal_checkpoint(TRUNCATE)')
    expect(store.writeFailure()).toBeNull()
    const before = statSync(path).size
    other.exec('drop table ballast')
    other.exec('VACUUM')
    other.pragma('wal_checkpoint(TRUNCATE)')
    other.close()
    expect(statSync(path).size).toBeLessThan(before)
    expect(store.writeFailure()).toBeNull()
    expect(await claim(store, 'two')).toMatchObject({ kind: 'granted' })
  })

  test('damage that was reported stops everything, the ends of calls too', async () => {
    const call = await granted(store, 'one')
    store.reportDamage('a page is not what it should be')
    await expectNothingBegins()
    await expect(close(store, call, 'answered')).rejects.toBeInstanceOf(UnreachableError)
    expect(store.writeFailure()?.cause).toMatch(/is damaged .*backup.*docs\/backup\.md/)
  })
})

describe('opening what is left of a store', () => {
  test('a copy beside a store that is gone is named, and nothing is made', async () => {
    remove('', '-wal', '-shm')
    await store.rescue(true)
    const error = await openStore({ path }).catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(ConfigurationError)
    expect(String(error)).toMatch(/is gone, but (trackyard\.rescued-\S+) is still there\. .* rename \1 to/)
    expect(existsSync(path)).toBe(false)
  })

  test('a log without its store is named too', async () => {
    const alone = join(directory, 'alone', 'trackyard.db')
    mkdirSync(dirname(alone))
    writeFileSync(`${alone}-wal`, 'what was committed last')
    expect(String(await openStore({ path: alone }).catch((thrown: unknown) => thrown))).toMatch(
      /is gone, but trackyard\.db-wal is still there.*Restore a backup/,
    )
  })

  test('damage is found by the check, and opening says so with exit code 78', async () => {
    await store.close()
    expect(checkStore(path)).toBeNull()
    const whole = readFileSync(path)
    writeFileSync(path, Buffer.concat([whole.subarray(0, 4096), Buffer.alloc(whole.length - 4096, 0xa5)]))
    expect(checkStore(path)).toMatch(/SQLITE_CORRUPT|Tree|page/i)
    const error = await openStore({ path }).catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(ConfigurationError)
    expect(String(error)).toMatch(/is damaged \(SQLITE_CORRUPT.*\)\. .*backup/)
  })
})
