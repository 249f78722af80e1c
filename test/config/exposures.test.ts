import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { readEnvironment } from '../../src/config/env-file.js'
import { exposures } from '../../src/config/exposures.js'
import { loadSettings } from '../../src/config/load-settings.js'

let cwd = ''
beforeEach(() => {
  cwd = mkdtempSync(join(tmpdir(), 'exposures-'))
})
afterEach(() => rmSync(cwd, { recursive: true }))

function said(env: Record<string, string> = {}): string[] {
  return exposures(loadSettings(readEnvironment({ env, cwd })), { env, cwd })
}

function file(name: string, text: string, mode: number): string {
  const path = join(cwd, name)
  writeFileSync(path, text)
  chmodSync(path, mode)
  return path
}

describe('files that others can read or change are reported with the fix', () => {
  test.each(['API_KEY=k', 'REDIS_URL=redis://:p@localhost', 'BOARD_PASSWORD=p', 'WEBHOOK_URL=https://hooks.example/T'])(
    'a .env with TRACKYARD_%s',
    (line) => {
      const path = file('.env', `TRACKYARD_${line}\n`, 0o644)
      expect(said()).toEqual([
        `${path} contains secrets and can be read by every user of this machine. Run: chmod 600 ${path}`,
      ])
      chmodSync(path, 0o640)
      expect(said()).toEqual([])
    },
  )

  test('a .env without a secret is nobody’s secret', () => {
    file('.env', 'TRACKYARD_CONCURRENCY=3\nTRACKYARD_API_KEY=\nOTHER_API_KEY=x\n', 0o666)
    expect(said()).toEqual([])
  })

  test('the key file, named in the environment or in .env, also behind a link', () => {
    const path = file("k'ey", 'secret-key', 0o604)
    symlinkSync(path, join(cwd, 'link'))
    const line = (name: string) =>
      `The secret file ${name} can be read by every user of this machine. Run: chmod 600 '${name.replace("'", `'\\''`)}'`
    expect(said({ TRACKYARD_API_KEY_FILE: path })).toEqual([line(path)])
    expect(said({ TRACKYARD_API_KEY_FILE: join(cwd, 'link') })).toEqual([
      line(join(cwd, 'link')).replace(/'(\/[^']*)'/, '$1'),
    ])
    file('.env', `TRACKYARD_API_KEY_FILE="${path}"\n`, 0o644)
    expect(said()).toEqual([line(path)])
    expect(said({ TRACKYARD_API_KEY_FILE: '' })).toEqual([])
    chmodSync(path, 0o400)
    expect(said()).toEqual([])
  })

  test.each([
    [0o777, 'every user of this machine'],
    [0o757, 'every user of this machine'],
    [0o775, 'every member of its group'],
    [0o1777, 'every user of this machine'],
  ])('a data directory with the rights %o', (mode, who) => {
    const dir = join(cwd, 'data')
    mkdirSync(dir)
    chmodSync(dir, mode)
    expect(said({ TRACKYARD_DATA_DIR: dir })).toEqual([
      `The data directory ${dir} can be written by ${who}, who can replace the store. Run: chmod go-w ${dir}`,
    ])
    chmodSync(dir, 0o755)
    expect(said({ TRACKYARD_DATA_DIR: dir })).toEqual([])
  })
})

test('a data directory that cannot be read is not reported here', () => {
  symlinkSync('loop', join(cwd, 'loop'))
  for (const dir of ['loop', 'nowhere', 'x'.repeat(300)]) {
    expect(said({ TRACKYARD_DATA_DIR: join(cwd, dir) })).toEqual([])
  }
})

describe('unencrypted traffic over a network is reported', () => {
  test.each([
    [
      'http://api.example/v1',
      ['The API key goes to api.example unencrypted. Set TRACKYARD_API_URL to an https:// address.'],
    ],
    [
      'http://10.1.2.3:8080',
      ['The API key goes to 10.1.2.3:8080 unencrypted. Set TRACKYARD_API_URL to an https:// address.'],
    ],
    ['https://api.example/v1', []],
    ['http://127.0.0.1:3211/v1', []],
    ['http://localhost', []],
    ['http://[::1]:3211', []],
  ])('the API at %s', (address, expected) => {
    expect(said({ TRACKYARD_API_URL: address })).toEqual(expected)
  })

  test.each([
    [
      'redis://redis.example:6379',
      'unencrypted and without a password. Set TRACKYARD_REDIS_URL to rediss://:PASSWORD@',
    ],
    ['redis://:s3cret@10.0.0.7', 'unencrypted. Set TRACKYARD_REDIS_URL to rediss://:PASSWORD@10.0.0.7'],
    ['rediss://redis.example', 'without a password. Set TRACKYARD_REDIS_URL to rediss://:PASSWORD@redis.example'],
    ['redis://redis:6379', 'without a password. Set TRACKYARD_REDIS_URL to redis://:PASSWORD@redis:6379'],
  ])('Redis at %s', (address, expected) => {
    const [line, ...more] = said({ TRACKYARD_REDIS_URL: address })
    expect(line).toContain(`is reached over the network ${expected}`)
    expect(line).not.toContain('s3cret')
    expect(more).toEqual([])
  })

  test.each([
    'redis://localhost',
    'redis://127.0.0.1:6379',
    'rediss://:p@redis.example',
    'redis://:p@redis',
    'unix:///run/redis.sock',
    '/run/redis.sock',
  ])('not Redis at %s', (address) => {
    expect(said({ TRACKYARD_REDIS_URL: address })).toEqual([])
  })
})
