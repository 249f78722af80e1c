import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import Database from 'better-sqlite3'
import { ConfigurationError, UnreachableError } from '../../src/domain/errors.js'
import type { Transaction } from '../../src/store/engine.js'
import { groupCommit } from '../../src/store/group-commit.js'
import { openConnection, type SqliteConnection } from '../../src/store/sqlite/connection.js'

let directory: string
let path: string
let connection: SqliteConnection
let other: SqliteConnection
let reader: SqliteConnection
beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'group-'))
  path = join(directory, 'store.db')
  connection = openConnection(path, 'write')
  await connection.write((tx) => tx.run('create table note (text text not null)'))
  other = openConnection(path, 'write')
  reader = openConnection(path, 'read')
})
afterEach(async () => {
  await connection.close()
  await other.close()
  await reader.close()
  rmSync(directory, { recursive: true, force: true })
})

const write = (text: string) => (tx: Transaction) => tx.run('insert into note values (@text)', { text })
const notes = async (): Promise<string[]> =>
  (await reader.read((tx) => tx.all<{ text: string }>('select text from note'))).map((note) => note.text)

async function outcomes(changes: Promise<unknown>[]): Promise<unknown[]> {
  return (await Promise.allSettled(changes)).map((each) => (each.status === 'fulfilled' ? each.value : each.reason))
}

describe('changes that arrive in the same turn', () => {
  test('share one commit: nobody else sees a part of them', async () => {
    const group = groupCommit(connection, () => 100)
    const seen: number[] = []
    const changes = ['a', 'b', 'c'].map((text) =>
      group.add(async (tx) => {
        await write(text)(tx)
        seen.push((await notes()).length)
      }),
    )
    await Promise.all(changes)
    expect(seen).toEqual([0, 0, 0])
    expect(await notes()).toEqual(['a', 'b', 'c'])
  })

  test('do no harm to each other: a bug in one undoes that one alone', async () => {
    const group = groupCommit(connection, () => 100)
    const [first, broken, last] = await outcomes([
      group.add(write('first')),
      group.add(async (tx) => {
        await write('half')(tx)
        throw new TypeError('a bug')
      }),
      group.add(write('last')),
    ])
    expect([first, last]).toEqual([1, 1])
    expect(String(broken)).toBe('TypeError: a bug')
    expect(await notes()).toEqual(['first', 'last'])
  })

  test('all fail while another process locks the file, and work again after', async () => {
    connection.setPatience(1)
    const group = groupCommit(connection, () => 100)
    const lock = new Database(path)
    lock.exec('begin immediate')
    const failed = await outcomes([group.add(write('a')), group.add(write('b'))])
    lock.close()
    for (const error of failed) {
      expect(error).toBeInstanceOf(UnreachableError)
      expect(String(error)).toContain('locked by another process')
    }
    expect(await group.add(write('c'))).toBe(1)
    expect(await notes()).toEqual(['c'])
  })

  test('all fail when the store refuses this process: none is tried again alone', async () => {
    const group = groupCommit(connection, () => 100)
    let runs = 0
    const counted = async (tx: Transaction): Promise<number> => {
      runs += 1
      return write('a')(tx)
    }
    const refused = async (): Promise<number> => {
      throw new ConfigurationError('the password was refused')
    }
    for (const error of await outcomes([group.add(counted), group.add(refused)]))
      expect(error).toBeInstanceOf(ConfigurationError)
    expect(runs).toBe(1)
    expect(await notes()).toEqual([])
  })

  test('are all undone when the disk is full, and the message says so', async () => {
    const limit = (pages: number) => connection.write((tx) => tx.get(`pragma max_page_count = ${pages}`))
    await limit(5)
    const group = groupCommit(connection, () => 100)
    const failed = await outcomes([group.add(write('small')), group.add(write('x'.repeat(100_000)))])
    for (const error of failed) {
      expect(error).toBeInstanceOf(UnreachableError)
      expect(String(error)).toContain('is full')
    }
    expect(await notes()).toEqual([])
    expect(await group.add(write('small'))).toBe(1)
  })
})

test('a commit takes no more changes than the size of a group', async () => {
  const sizes = [1, 2, 2]
  const group = groupCommit(connection, () => sizes.shift() ?? 0)
  const seen: number[] = []
  const look = (text: string) => async (tx: Transaction) => {
    seen.push((await notes()).length)
    await write(text)(tx)
  }
  await Promise.all(['a', 'b', 'c', 'd'].map((text) => group.add(look(text))))
  expect(seen).toEqual([0, 1, 1, 3])
})

test('what goes first is before changes that arrived earlier', async () => {
  const group = groupCommit(connection, () => 100)
  await Promise.all([
    group.add(write('a')),
    group.add(write('b')),
    group.add(write('c'), 'first'),
    group.add(write('d'), 'first'),
  ])
  expect(await notes()).toEqual(['c', 'd', 'a', 'b'])
})

test('a change is not kept waiting by others that keep going first', async () => {
  const group = groupCommit(connection, () => 1)
  let isDone = false
  const waiting = group.add(write('waits')).then(() => {
    isDone = true
  })
  for (let goingFirst = 0; !isDone && goingFirst < 100; goingFirst += 1) {
    const next = group.add(write('goes first'), 'first')
    await group.add(write('goes first'), 'first')
    await next
  }
  await waiting
  expect((await notes()).indexOf('waits')).toBeLessThan(4)
})

test('a flush commits what has arrived without waiting for the turn to end', async () => {
  const group = groupCommit(connection, () => 100)
  const change = group.add(write('now'))
  await group.flush()
  expect(await notes()).toEqual(['now'])
  expect(await change).toBe(1)
})

test('changes that arrive while others are committed share the next commit', async () => {
  const group = groupCommit(connection, () => 100)
  let later: Promise<unknown> | undefined
  await group.add(async (tx) => {
    await write('first')(tx)
    later = Promise.all([group.add(write('second')), group.add(write('third'))])
  })
  expect(await later).toEqual([1, 1])
  expect(await notes()).toEqual(['first', 'second', 'third'])
})

test('a transaction that throws leaves nothing behind', async () => {
  const failed = connection.write(async (tx) => {
    await write('half')(tx)
    throw new Error('no')
  })
  await expect(failed).rejects.toThrow('no')
  expect(await notes()).toEqual([])
})

test('transactions of one connection run one after another, in the order of asking', async () => {
  const steps: string[] = []
  const change = (name: string) =>
    connection.write(async (tx) => {
      steps.push(`${name} begins`)
      await write(name)(tx)
      steps.push(`${name} ends`)
    })
  const looked = connection.read((tx) => tx.all('select text from note'))
  await Promise.all([change('a'), change('b')])
  expect(steps).toEqual(['a begins', 'a ends', 'b begins', 'b ends'])
  expect(await looked).toEqual([])
})

test('two connections of one process never wait for each other in vain', async () => {
  const change = (connection: SqliteConnection, text: string) =>
    connection.write(async (tx) => {
      await write(text)(tx)
      await nextTurn()
    })
  await Promise.all([change(connection, 'a'), change(other, 'b'), change(connection, 'c')])
  expect(await notes()).toEqual(['a', 'b', 'c'])
})
