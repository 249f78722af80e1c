import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { readEnvFile, readEnvironment } from '../../src/config/env-file.js'
import { ConfigurationError } from '../../src/domain/errors.js'

let directory = ''
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'env-'))
})
afterEach(() => rmSync(directory, { recursive: true }))

function write(text: string): string {
  writeFileSync(join(directory, '.env'), text)
  return join(directory, '.env')
}

describe('.env', () => {
  test('is read if present', () => {
    write(
      '\uFEFF# ours\n\nexport TRACKYARD_CONCURRENCY=3\r\nTRACKYARD_BOARD_PASSWORD="a # b\nc"\nTRACKYARD_LOG_LEVEL = warn # why\n',
    )
    expect(readEnvironment({ env: { HOME: '/h' }, cwd: directory })).toEqual({
      HOME: '/h',
      TRACKYARD_CONCURRENCY: '3',
      TRACKYARD_BOARD_PASSWORD: 'a # b\nc',
      TRACKYARD_LOG_LEVEL: 'warn',
    })
  })

  test('absent is no problem', () => {
    expect(readEnvironment({ env: { A: '1' }, cwd: directory })).toEqual({ A: '1' })
  })

  test('the real environment wins, also with an empty value', () => {
    write('TRACKYARD_CONCURRENCY=3\nTRACKYARD_RATE_LIMIT=7\n')
    const env = { TRACKYARD_CONCURRENCY: '5', TRACKYARD_RATE_LIMIT: '' }
    expect(readEnvironment({ env, cwd: directory })).toEqual(env)
  })

  test('names of other programs are left alone', () => {
    write('HOME=/elsewhere\nDATABASE_URL=x\nTRACKYARD_RATE_LIMIT=7\n')
    expect(readEnvironment({ env: { HOME: '/h' }, cwd: directory })).toEqual({ HOME: '/h', TRACKYARD_RATE_LIMIT: '7' })
  })

  test.each([
    ['TRACKYARD_CONCURRENCY 3\n', 1],
    ['A=1\n=5\nTRACKYARD_API_KEY=x\n', 2],
    ['A="one\ntwo"\n\nTRACKYARD_API_KEY\n', 4],
    ['{"TRACKYARD_API_KEY": "x"}', 1],
  ])('a line that is none of it is named by its number, not shown: %j', (text, line) => {
    const path = write(text)
    expect(() => readEnvFile(path)).toThrow(ConfigurationError)
    expect(() => readEnvFile(path)).toThrow(`${path}, line ${line}: expected NAME=value, a comment or an empty line.`)
  })

  test('a value that would be cut at a # is refused, a comment after it is not', () => {
    expect(() => readEnvFile(write('TRACKYARD_BOARD_PASSWORD=ab#cd\n'))).toThrow(
      'line 1: the value would end at its "#"',
    )
    expect(readEnvFile(write('TRACKYARD_BOARD_PASSWORD=ab # cd\n'))).toEqual({ TRACKYARD_BOARD_PASSWORD: 'ab' })
    expect(readEnvFile(write('TRACKYARD_BOARD_PASSWORD="ab#cd"\n'))).toEqual({ TRACKYARD_BOARD_PASSWORD: 'ab#cd' })
  })

  test('lines that end in a lone CR are lines', () => {
    write('TRACKYARD_CONCURRENCY=3\rTRACKYARD_API_KEY=hunter2\r')
    expect(readEnvironment({ env: {}, cwd: directory })).toEqual({
      TRACKYARD_CONCURRENCY: '3',
      TRACKYARD_API_KEY: 'hunter2',
    })
  })

  test('a directory of that name is named', () => {
    mkdirSync(join(directory, '.env'))
    expect(() => readEnvFile(join(directory, '.env'))).toThrow('found a directory')
  })
})
