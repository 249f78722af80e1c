import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { UnreachableError } from '../../src/domain/errors.js'
import { type Connection, openConnection } from '../../src/store/connection.js'
import { groupCommit } from '../../src/store/group-commit.js'

let directory: string
let connection: Connection
let other: Connection
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'group-'))
  const path = join(directory, 'store.db')
  connection = openConnection(path, 'write').connection
  connection.run('create table note (text text not null)')
  other = openConnection(path, 'write').connection
})
afterEach(() => {
  connection.close()
  other.close()
  rmSync(directory, { recursive: true, force: true })
})

const write = (text: string) => () => connection.run('insert into note values (?)', [text]).changes
const notes = (): string[] => other.all<{ text: string }>('select text from note').map((note) => note.text)

async function outcomes(changes: Promise<unknown>[]): Promise<unknown[]> {
  return (await Promise.allSettled(changes)).map((each) => (each.status === 'fulfilled' ? each.value : each.reason))
}

describe('changes that arrive in the same turn', () => {
  test('share one commit: nobody else sees a part of them', async () => {
    const group = groupCommit(connection)
    const seen: number[] = []
    const changes = ['a', 'b', 'c'].map((text) =>
      group.add(() => {
        write(text)()
        seen.push(notes().length)
      }),
    )
    await Promise.all(changes)
    expect(seen).toEqual([0, 0, 0])
    expect(notes()).toEqual(['a', 'b', 'c'])
  })

  test('do no harm to each other: a bug in one undoes that one alone', async () => {
    const group = groupCommit(connection)
    const [first, broken, last] = await outcomes([
      group.add(write('first')),
      group.add(() => {
        write('half')()
        throw new TypeError('a bug')
      }),
      group.add(write('last')),
    ])
    expect([first, last]).toEqual([1, 1])
    expect(String(broken)).toBe('TypeError: a bug')
    expect(notes()).toEqual(['first', 'last'])
  })

  test('all fail while another process locks the file, and work again after', async () => {
    connection.get('pragma busy_timeout = 1')
    const group = groupCommit(connection)
    other.begin('write')
    const failed = await outcomes([group.add(write('a')), group.add(write('b'))])
    other.rollback()
    for (const error of failed) {
      expect(error).toBeInstanceOf(UnreachableError)
      expect(String(error)).toContain('locked by another process')
    }
    expect(await group.add(write('c'))).toBe(1)
    expect(notes()).toEqual(['c'])
  })

  test('are all undone when the disk is full, and the message says so', async () => {
    const pages = connection.get<{ page_count: number }>('pragma page_count')?.page_count ?? 0
    connection.get(`pragma max_page_count = ${pages + 2}`)
    const group = groupCommit(connection)
    const failed = await outcomes([group.add(write('small')), group.add(write('x'.repeat(100_000)))])
    for (const error of failed) {
      expect(error).toBeInstanceOf(UnreachableError)
      expect(String(error)).toContain('is full')
    }
    expect(notes()).toEqual([])
    expect(await group.add(write('small'))).toBe(1)
  })
})

test('a flush commits what has arrived without waiting for the turn to end', async () => {
  const group = groupCommit(connection)
  const change = group.add(write('now'))
  group.flush()
  expect(notes()).toEqual(['now'])
  expect(await change).toBe(1)
})

test('a transaction that throws leaves nothing behind', () => {
  expect(() =>
    connection.write(() => {
      write('half')()
      throw new Error('no')
    }),
  ).toThrow('no')
  expect(notes()).toEqual([])
  expect(connection.inTransaction()).toBe(false)
})
