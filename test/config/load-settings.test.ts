import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { homedir, tmpdir, userInfo } from 'node:os'
import { join, resolve } from 'node:path'
import { inspect } from 'node:util'
import { afterAll, describe, expect, test } from '@jest/globals'
import { loadSettings, requireApiKey } from '../../src/config/load-settings.js'
import { SECRET_NAMES, SETTING_NAMES } from '../../src/config/setting-table.js'
import { secretTexts } from '../../src/config/settings.js'
import { ConfigurationError } from '../../src/domain/errors.js'

const KEY = 'tk_live_4f9a7c21d8e35b60'
const directory = mkdtempSync(join(tmpdir(), 'settings-'))
afterAll(() => rmSync(directory, { recursive: true }))

/** The message of the refusal. */
function refusal(env: Record<string, string>): string {
  try {
    loadSettings(env)
  } catch (error) {
    if (error instanceof ConfigurationError) return error.message
    throw error
  }
  throw new Error('expected a refusal, found settings')
}

function file(name: string, text: string): string {
  const path = join(directory, name)
  writeFileSync(path, text)
  return path
}

test('an empty environment gives the defaults of the design', () => {
  expect(loadSettings({ HOME: '/home/ana' })).toEqual({
    apiKey: null,
    apiUrl: 'https://api.trackyard.com/api/external/v1',
    proxy: null,
    dataDir: '/home/ana/.local/state/trackyard-batch',
    redisUrl: null,
    redisCa: null,
    redisNatMap: null,
    databaseUrl: null,
    databaseCa: null,
    concurrency: 10,
    rateLimit: 'auto',
    activeHours: null,
    timeZone: null,
    tz: '',
    requestTimeoutMs: 20_000,
    maxAttempts: 8,
    backoff: { baseMs: 5000, maxMs: 600_000 },
    creditReserve: 0,
    creditCheckMs: 60_000,
    autoResumeHours: 24,
    confirmAbove: 100,
    lockDurationMs: 25_000,
    stalledIntervalMs: 5000,
    shutdownGraceMs: 25_000,
    board: { host: '127.0.0.1', port: 3210, path: '', user: 'trackyard', password: null, readOnly: false, url: null },
    webhookUrl: null,
    webhookProxy: null,
    webhookSecret: null,
    deadLetterAlertPercent: 5,
    logLevel: 'info',
  })
})

test('what is set is read', () => {
  const settings = loadSettings({
    TRACKYARD_API_KEY: KEY,
    TRACKYARD_API_URL: 'HTTP://LocalHost:4000/v1//',
    TRACKYARD_DATA_DIR: '~/music',
    TRACKYARD_REDIS_URL: 'redis://:pa%2Fss@redis:6379/2',
    TRACKYARD_RATE_LIMIT: '300',
    TRACKYARD_AUTO_RESUME_HOURS: '0.5',
    TRACKYARD_BOARD_HOST: '0.0.0.0',
    TRACKYARD_BOARD_PASSWORD: 'correct horse',
    TRACKYARD_BOARD_PATH: '/tools/queues-admin/',
    TRACKYARD_BOARD_READ_ONLY: 'YES',
    TRACKYARD_WEBHOOK_URL: 'https://hooks.example.test/T0/abc',
    TRACKYARD_LOG_LEVEL: 'Debug',
    PATH: '/bin',
  })
  expect(settings).toMatchObject({
    apiUrl: 'http://localhost:4000/v1',
    dataDir: join(homedir(), 'music'),
    rateLimit: 300,
    autoResumeHours: 0.5,
    board: { host: '0.0.0.0', path: '/tools/queues-admin', readOnly: true },
    logLevel: 'debug',
  })
  expect(requireApiKey(settings).reveal()).toBe(KEY)
  expect(settings.redisUrl?.reveal()).toBe('redis://:pa%2Fss@redis:6379/2')
  expect(secretTexts(settings)).toEqual(
    expect.arrayContaining([KEY, 'correct horse', 'pa%2Fss', 'pa/ss', 'https://hooks.example.test/T0/abc']),
  )
})

test('a Redis address without a password is not hidden from the log', () => {
  expect(secretTexts(loadSettings({ TRACKYARD_REDIS_URL: 'redis://redis:6379' }))).toEqual([])
  const url = 'redis://:hunter2@redis:6379'
  expect(secretTexts(loadSettings({ TRACKYARD_REDIS_URL: url }))).toEqual([url, 'hunter2'])
})

test('user and password of the webhook are hidden from the log', () => {
  const url = 'https://ana:p%40ssword@hooks.test/x'
  expect(secretTexts(loadSettings({ TRACKYARD_WEBHOOK_URL: url }))).toEqual([url, 'p%40ssword', 'p@ssword'])
  // A user name alone is a token.
  const token = 'https://t%40ken@hooks.test/x'
  expect(secretTexts(loadSettings({ TRACKYARD_WEBHOOK_URL: token }))).toEqual([token, 't%40ken', 't@ken'])
  const wrong = 'https://ana:p%zz@hooks.test/x'
  expect(refusal({ TRACKYARD_WEBHOOK_URL: wrong })).toMatch(/percent-encoded, found something else \(not shown\)/)
})

test('every secret setting is hidden from the log', () => {
  const values = [
    's3cret-value',
    'https://u:s3cret-value@h.test/d',
    'redis://:s3cret-value@h',
    'postgres://u:s3cret-value@127.0.0.1/d',
  ]
  const hides = (name: string) =>
    values
      .flatMap((value) => textsOf({ TRACKYARD_REDIS_URL: 'redis://h', [name]: value }))
      .some((text) => text.includes('s3cret-value'))
  expect(SECRET_NAMES.length).toBeGreaterThan(0)
  expect(SECRET_NAMES.filter((name) => !hides(name))).toEqual([])
})

/** None: the setting does not take this value. */
function textsOf(env: Record<string, string>): string[] {
  try {
    return secretTexts(loadSettings(env))
  } catch (error) {
    if (error instanceof ConfigurationError) return []
    throw error
  }
}

test('an empty value is an unset one', () => {
  const empty = Object.fromEntries([...SETTING_NAMES, 'TRACKYARD_NO_SUCH'].map((name) => [name, '']))
  expect(loadSettings({ ...empty, HOME: '/h' })).toEqual(loadSettings({ HOME: '/h' }))
})

test('an empty HOME is none: the data directory is never below the current one', () => {
  // The process may have been started with another HOME, or an empty one.
  const home = homedir() || userInfo().homedir
  expect(loadSettings({ HOME: '' }).dataDir).toBe(join(home, '.local/state/trackyard-batch'))
})

test('the data directory follows XDG_STATE_HOME', () => {
  expect(loadSettings({ XDG_STATE_HOME: '/state', HOME: '/h' }).dataDir).toBe('/state/trackyard-batch')
})

test('settings cannot be changed', () => {
  const settings = loadSettings({})
  expect([settings, settings.backoff, settings.board].every(Object.isFrozen)).toBe(true)
})

describe('a value that cannot work is named with what was expected and what was found', () => {
  test.each([
    ['TRACKYARD_CONCURRENCY', 'ten', 'expected a whole number from 1 to 1000, found "ten"'],
    ['TRACKYARD_CONCURRENCY', '0', 'expected a whole number from 1 to 1000, found "0"'],
    ['TRACKYARD_CONFIRM_ABOVE', '1.5', 'expected a whole number from 0 to 1000000000, found "1.5"'],
    ['TRACKYARD_CREDIT_RESERVE', '-1', 'expected a whole number from 0'],
    ['TRACKYARD_REQUEST_TIMEOUT_MS', '20,000', 'found "20,000"'],
    ['TRACKYARD_MAX_ATTEMPTS', '101', 'expected a whole number from 1 to 100, found "101"'],
    ['TRACKYARD_RATE_LIMIT', 'fast', 'expected auto, or a whole number from 1 to 100000, found "fast"'],
    ['TRACKYARD_RATE_LIMIT', '0', 'expected auto, or a whole number from 1 to 100000, found "0"'],
    ['TRACKYARD_AUTO_RESUME_HOURS', '1d', 'expected a number from 0 to 8760, found "1d"'],
    ['TRACKYARD_BOARD_PORT', '65536', 'expected a whole number from 0 to 65535'],
    ['TRACKYARD_BOARD_HOST', 'http://x', 'expected a host name or an address'],
    ['TRACKYARD_BOARD_USER', 'a:b', 'expected a name without a colon'],
    ['TRACKYARD_BOARD_READ_ONLY', 'maybe', 'expected true or false, found "maybe"'],
    ['TRACKYARD_LOG_LEVEL', 'loud', 'expected one of debug, info, warn, error, silent, found "loud"'],
    ['TRACKYARD_API_URL', 'api.trackyard.com', 'expected an http:// or https:// address'],
    ['TRACKYARD_API_URL', 'ftp://api', 'expected an http:// or https:// address'],
    ['TRACKYARD_API_URL', 'https://api/v1?x=1', 'without user, password, query or fragment'],
    ['TRACKYARD_REDIS_URL', 'localhost:6379', 'expected redis://host:port'],
    ['TRACKYARD_WEBHOOK_URL', 'hooks', 'expected an http:// or https:// address'],
  ])('%s=%s', (name, value, sentence) => {
    const message = refusal({ [name]: value })
    expect(message).toContain(`${name}: `)
    expect(message).toContain(sentence)
  })

  test.each([`${KEY} `, `"${KEY}"`, `Bearer ${KEY}`, `${KEY}\n${KEY}`, 'schlüssel-4f9a7c21'])(
    'a key like %j',
    (key) => {
      const message = refusal({ TRACKYARD_API_KEY: key })
      expect(message).toContain('TRACKYARD_API_KEY: expected a key without white space and quotes')
      expect(message).not.toContain('4f9a')
    },
  )

  test('secrets are not quoted', () => {
    const message = refusal({
      TRACKYARD_API_URL: 'https://me:hunter2@api/v1',
      TRACKYARD_REDIS_URL: 'http://:hunter2@redis',
      TRACKYARD_WEBHOOK_URL: 'hunter2',
      TRACKYARD_BOARD_PASSWORD: 'hunter2\u0007',
    })
    expect(message).toContain('The configuration has 4 problems:')
    expect(message).not.toContain('hunter2')
  })

  test('only the first line of a multi-line value is quoted', () => {
    const message = refusal({ TRACKYARD_CONCURRENCY: '3\nTRACKYARD_API_KEY=hunter2\n' })
    expect(message).toContain('found "3…"')
    expect(message).not.toContain('hunter2')
  })

  test('all problems are named at once', () => {
    const message = refusal({ TRACKYARD_CONCURRENCY: 'x', TRACKYARD_BOARD_PORT: 'y', TRACKYARD_CONCURENCY: '3' })
    expect(message).toContain('3 problems')
    for (const name of ['CONCURRENCY: expected', 'BOARD_PORT: expected', 'CONCURENCY: no such setting']) {
      expect(message).toContain(`TRACKYARD_${name}`)
    }
  })

  test('the exit code is 78', () => {
    expect(() => loadSettings({ TRACKYARD_BOARD_PORT: 'y' })).toThrow(expect.objectContaining({ exitCode: 78 }))
  })
})

test('the passwords of servers and sentinels are secret', () => {
  const url = 'redis+sentinel://:pa%2Fss@one,two/main?sentinel_password=op%23en'
  const texts = secretTexts(loadSettings({ TRACKYARD_REDIS_URL: url }))
  expect(texts).toEqual(expect.arrayContaining([url, 'pa%2Fss', 'pa/ss', 'op%23en', 'op#en']))
})

describe('settings that contradict each other', () => {
  test.each([
    [{ TRACKYARD_REQUEST_TIMEOUT_MS: '23000' }, 'TRACKYARD_REQUEST_TIMEOUT_MS: expected less than'],
    [{ TRACKYARD_LOCK_DURATION_MS: '22000' }, 'TRACKYARD_REQUEST_TIMEOUT_MS: expected less than'],
    [{ TRACKYARD_STALLED_INTERVAL_MS: '25001' }, 'TRACKYARD_STALLED_INTERVAL_MS: expected at most'],
    [{ TRACKYARD_BACKOFF_BASE_MS: '600001' }, 'TRACKYARD_BACKOFF_BASE_MS: expected at most'],
    ...['0.0.0.0', '::', '192.168.1.5', 'board.example', '127.0.0.1.example'].flatMap(
      (host): [Record<string, string>, string][] => [
        [{ TRACKYARD_BOARD_HOST: host }, 'TRACKYARD_BOARD_PASSWORD: expected a password'],
        [
          { TRACKYARD_BOARD_HOST: host, TRACKYARD_BOARD_PASSWORD: '🎵'.repeat(11) },
          'TRACKYARD_BOARD_PASSWORD: expected at least 12 characters',
        ],
      ],
    ),
    ...['x', '/', '//x', '/a//b', '/a/..', '/a b', '/a?b', '/ü', '/queues', '/metrics/x'].map(
      (path): [Record<string, string>, string] => [
        { TRACKYARD_BOARD_PATH: path },
        'TRACKYARD_BOARD_PATH: expected a path such as /queues-admin',
      ],
    ),
  ])('%j', (env, sentence) => {
    expect(refusal(env)).toContain(sentence)
  })

  test.each([
    { TRACKYARD_REQUEST_TIMEOUT_MS: '22999' },
    { TRACKYARD_STALLED_INTERVAL_MS: '25000' },
    { TRACKYARD_BACKOFF_BASE_MS: '600000' },
    { TRACKYARD_BOARD_HOST: '127.0.0.53' },
    { TRACKYARD_BOARD_HOST: '::1' },
    { TRACKYARD_BOARD_HOST: 'localhost' },
  ])('%j is fine', (env) => {
    expect(loadSettings(env as Record<string, string>)).toBeDefined()
  })

  test('an authority of Redis needs TLS, a map of addresses needs several servers', () => {
    const pem = '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n'
    const ca = { TRACKYARD_REDIS_CA_FILE: file('redis-ca.pem', pem) }
    expect(loadSettings({ ...ca, TRACKYARD_REDIS_URL: 'rediss+cluster://one,two' }).redisCa).toBe(pem)
    expect(refusal({ ...ca, TRACKYARD_REDIS_URL: 'redis://one' })).toMatch(/REDIS_CA_FILE: expected .* with TLS/)
    expect(refusal(ca)).toMatch(/^TRACKYARD_REDIS_CA_FILE: expected/)
    const key = { TRACKYARD_REDIS_CA_FILE: file('redis.key', 'hunter2'), TRACKYARD_REDIS_URL: 'rediss://one' }
    expect(refusal(key)).toMatch(/REDIS_CA_FILE: expected a PEM file with -----BEGIN/)
    expect(refusal(key)).not.toContain('hunter2')
    const missing = { ...key, TRACKYARD_REDIS_CA_FILE: join(directory, 'absent.pem') }
    expect(refusal(missing)).toMatch(/REDIS_CA_FILE: expected a PEM file of certificates instead of nothing/)
    const map = { TRACKYARD_REDIS_NAT_MAP: '10.0.0.1:6379=db.example:7001, [::2]:6379 = [::1]:7002' }
    expect(loadSettings({ ...map, TRACKYARD_REDIS_URL: 'redis+sentinel://one/main' }).redisNatMap).toEqual({
      '10.0.0.1:6379': { host: 'db.example', port: 7001 },
      '[::2]:6379': { host: '::1', port: 7002 },
    })
    expect(refusal({ ...map, TRACKYARD_REDIS_URL: 'redis://one' })).toMatch(/REDIS_NAT_MAP: expected .*cluster/)
    for (const bad of ['10.0.0.1=x:1', '10.0.0.1:6379', 'a:1=', 'a:1=b:c', ',']) {
      expect(refusal({ TRACKYARD_REDIS_NAT_MAP: bad })).toMatch(/REDIS_NAT_MAP: expected pairs such as/)
    }
  })

  test('PostgreSQL needs a shared Redis; an authority needs a mode that checks it', () => {
    const address = 'postgres://ana:hunter2@db/trackyard'
    const redis = { TRACKYARD_REDIS_URL: 'redis://redis' }
    expect(refusal({ TRACKYARD_DATABASE_URL: address })).toMatch(/^TRACKYARD_REDIS_URL: expected .*all machines share/)
    expect(loadSettings({ TRACKYARD_DATABASE_URL: address, ...redis }).databaseUrl?.reveal()).toBe(address)
    const pem = '-----BEGIN CERTIFICATE-----\n'
    const authority = { TRACKYARD_DATABASE_CA_FILE: file('ca.pem', pem) }
    expect(refusal(authority)).toMatch(/^TRACKYARD_DATABASE_CA_FILE: expected .*sslmode=verify/)
    expect(refusal({ ...authority, ...redis, TRACKYARD_DATABASE_URL: `${address}?sslmode=require` })).toMatch(
      /sslmode=verify/,
    )
    const verified = { ...authority, ...redis, TRACKYARD_DATABASE_URL: `${address}?sslmode=verify-full` }
    expect(loadSettings(verified).databaseCa).toBe(pem)
    expect(loadSettings({ DATABASE_URL: address }).databaseUrl).toBeNull()
  })

  test.each([
    ['mysql://a:hunter2@db/x', 'another scheme'],
    ['postgres://a:hunter2@db', 'no database'],
    ['postgres://db/x', 'no user'],
    ['postgres://a:hun#ter2@db/x', 'a raw #'],
    ['postgres://a:hunter2@db/x?sslmode=prefer', 'a mode that falls back'],
    ['postgres://a:hunter2@db/x?options=-c', 'another parameter'],
  ])('the address %s of PostgreSQL is refused: %s', (address) => {
    const message = refusal({ TRACKYARD_DATABASE_URL: address, TRACKYARD_REDIS_URL: 'redis://redis' })
    expect(message).toMatch(/^TRACKYARD_DATABASE_URL: expected /)
    expect(message).not.toMatch(/hunter2|ter2/)
  })

  test('a setting that cannot be read is not also a contradiction', () => {
    expect(refusal({ TRACKYARD_LOCK_DURATION_MS: 'x', TRACKYARD_REQUEST_TIMEOUT_MS: '30000' })).not.toContain(
      'less than',
    )
  })
})

describe('unknown names', () => {
  test('a near one is guessed', () => {
    expect(refusal({ TRACKYARD_APIKEY: KEY })).toBe(
      'TRACKYARD_APIKEY: no such setting; did you mean TRACKYARD_API_KEY? Correct the environment or .env.',
    )
  })

  test('a far one points to the list', () => {
    expect(refusal({ TRACKYARD_FLUX_CAPACITOR: '1' })).toContain('`trackyard-batch --help` lists them')
  })

  test('names of others are none of our business', () => {
    expect(loadSettings({ TRACKYARDS: 'x', REDIS_URL: 'y' }).redisUrl).toBeNull()
  })
})

describe('every secret', () => {
  test('may come from a file instead', () => {
    const settings = loadSettings({
      TRACKYARD_REDIS_URL_FILE: file('redis', 'redis://:p@redis:6379\n'),
      TRACKYARD_BOARD_PASSWORD_FILE: file('password', 'correct horse battery\n'),
      TRACKYARD_WEBHOOK_URL_FILE: file('webhook', 'https://chat.example/x\n'),
      TRACKYARD_WEBHOOK_SECRET_FILE: file('secret', 'whsec\n'),
    })
    const { redisUrl, board, webhookUrl, webhookSecret } = settings
    expect([redisUrl, board.password, webhookUrl, webhookSecret].map((each) => each?.reveal())).toEqual([
      'redis://:p@redis:6379',
      'correct horse battery',
      'https://chat.example/x',
      'whsec',
    ])
    const message = refusal({ TRACKYARD_REDIS_URL_FILE: file('bad', 'hunter2 at redis') })
    expect(message).toMatch(/^TRACKYARD_REDIS_URL_FILE: expected .* in .*bad, found something else \(not shown\)/)
    expect(message).not.toContain('hunter2')
  })

  test('no other setting has a file', () => {
    expect(refusal({ TRACKYARD_CONCURRENCY_FILE: '/x' })).toContain('TRACKYARD_CONCURRENCY_FILE')
  })
})

describe('the API key', () => {
  test('is read from a file, without the newline at its end', () => {
    const path = file('key', `${KEY}\r\n`)
    expect(requireApiKey(loadSettings({ TRACKYARD_API_KEY_FILE: path })).reveal()).toBe(KEY)
  })

  test.each([
    ['missing', () => join(directory, 'nowhere'), 'found nothing at'],
    ['empty', () => file('empty', ' \n'), 'found an empty one at'],
    ['directory', () => directory, 'found a directory at'],
    ['two keys', () => file('two', `${KEY}\n${KEY}\n`), 'expected a key without white space and quotes in'],
  ])('a file that is no key: %s', (_, make, sentence) => {
    const path = make()
    const message = refusal({ TRACKYARD_API_KEY_FILE: path })
    expect(message).toContain(sentence)
    expect(message).toContain(path)
    expect(message).not.toContain(KEY)
  })

  test('given twice is refused', () => {
    const path = file('other', KEY)
    expect(refusal({ TRACKYARD_API_KEY: KEY, TRACKYARD_API_KEY_FILE: path })).toContain('found both')
  })

  test('missing is a problem only for calls; the message offers the simulator', () => {
    const settings = loadSettings({})
    expect(() => requireApiKey(settings)).toThrow(ConfigurationError)
    expect(() => requireApiKey(settings)).toThrow(/TRACKYARD_API_KEY.*trackyard-batch simulate/)
  })

  test('does not show in print, log, JSON or inspection', () => {
    const settings = loadSettings({ TRACKYARD_API_KEY: KEY, TRACKYARD_BOARD_PASSWORD: KEY })
    const shown = [inspect(settings, { depth: 9, showHidden: true }), JSON.stringify(settings), `${settings.apiKey}`]
    for (const text of shown) {
      expect(text).toContain('[secret]')
      expect(text).not.toContain(KEY)
    }
  })
})

test.each([
  ['a device', '/dev/zero', 'a device'],
  ['an empty device', '/dev/null', 'an empty one'],
  ['a large file', 'large', 'more than 1 MB'],
  ['a loop', 'loop', 'a link that leads back to itself'],
  ['a file as a folder', 'large/x', 'nothing, since a part of the path is a file'],
  ['a long name', 'x'.repeat(300), 'a path that is too long'],
])('as the key file %s is refused in words', (_what, name, found) => {
  const here = mkdtempSync(join(directory, 'odd-'))
  writeFileSync(join(here, 'large'), 'k'.repeat(1024 * 1024 + 1))
  symlinkSync('loop', join(here, 'loop'))
  expect(refusal({ TRACKYARD_API_KEY_FILE: resolve(here, name) })).toContain(
    `expected a file with the value of TRACKYARD_API_KEY, found ${found} at `,
  )
})

test.each([
  ['https://api.example/v1?key=hunter2', '"https://api.example/…"'],
  ['https://api.example/#hunter2', '"https://api.example/…"'],
  ['https://me:hunter2@api.example/v1', '"https://…@api.example"'],
  ['https://hunter2@api.example/v1?x', '"https://…@api.example/…"'],
  ['https://me:hun/ter2@api.example', 'something else (not shown)'],
  ['https://me:hunter2#@api.example', 'something else (not shown)'],
  ['api.example/v1?key=hunter2', 'something else (not shown)'],
  ['https://api.example\nTRACKYARD_API_KEY=hunter2', 'something else (not shown)'],
  ['ftp://api.example/v1', '"ftp://api.example/v1"'],
])('of the refused address %j nothing secret is shown', (address, shown) => {
  const message = refusal({ TRACKYARD_API_URL: address })
  expect(message).toContain(`found ${shown}`)
  expect(message).not.toMatch(/hunter2|hun\/ter2|ter2/)
})

test('active hours are read with their zone; without one the system decides', () => {
  const system = new Intl.DateTimeFormat().resolvedOptions().timeZone
  const read = (env: Record<string, string>) => loadSettings(env).activeHours
  expect(read({ TRACKYARD_ACTIVE_HOURS: '22:00-06:00' })).toMatchObject({
    hours: { text: '22:00-06:00' },
    zone: system,
  })
  expect(read({ TRACKYARD_ACTIVE_HOURS: 'Sat-Sun', TRACKYARD_TIME_ZONE: 'Asia/Kolkata' })?.zone).toBe('Asia/Kolkata')
  expect(read({ TRACKYARD_ACTIVE_HOURS: '00:00-24:00' })).toBeNull()
  expect(read({ TRACKYARD_TIME_ZONE: 'Europe/Berlin' })).toBeNull()
  expect(read({ TRACKYARD_ACTIVE_HOURS: ' Mon-Fri  20:00-07:00 ,Sat-Sun' })?.hours.text).toBe(
    'Mon-Fri 20:00-07:00, Sat-Sun',
  )
  // Node takes them for UTC, or for a zone without a name.
  for (const TZ of ['GMT-2', 'UTC+3', 'Foo/Bar', 'CET-1CEST'])
    expect(refusal({ TRACKYARD_ACTIVE_HOURS: '22:00-06:00', TZ })).toContain(
      `TRACKYARD_ACTIVE_HOURS: the system's time zone has no name such as Europe/Berlin (TZ is "${TZ}"). Set TRACKYARD_TIME_ZONE`,
    )
  expect(read({ TRACKYARD_ACTIVE_HOURS: '22:00-06:00', TRACKYARD_TIME_ZONE: 'Asia/Kolkata', TZ: 'GMT-2' })?.zone).toBe(
    'Asia/Kolkata',
  )
  expect(refusal({ TRACKYARD_TIME_ZONE: 'Berlin' }).match(/TRACKYARD_TIME_ZONE/g)).toHaveLength(1)
  expect(refusal({ TRACKYARD_ACTIVE_HOURS: '22-6', TRACKYARD_TIME_ZONE: 'Berlin' })).toMatch(
    /TRACKYARD_TIME_ZONE: expected a time zone such as Europe\/Berlin, found "Berlin"[\s\S]*TRACKYARD_ACTIVE_HOURS: expected always, hours such as .*found "22-6"/,
  )
})

test('a path that swallowed the lines behind it is not shown: the key may be among them', () => {
  const path = 'key\nTRACKYARD_API_KEY=hunter2'
  expect(() => loadSettings({ TRACKYARD_API_KEY_FILE: path })).toThrow(/expected the path of a file on one line/)
  expect(() => loadSettings({ TRACKYARD_API_KEY_FILE: path })).not.toThrow(/hunter2/)
})

test.each([
  'https://api.example/v1?key=hunter2',
  'api.example/v1?key=hunter2',
  'ftp://api.example/?a=b&key=hunter2#x',
  'https://api.example/#hunter2',
  'https://me:pa/hunter2@api.example',
])('neither query nor password of the refused API address %s is shown', (address) => {
  const load = () => loadSettings({ TRACKYARD_API_URL: address })
  expect(load).toThrow(/TRACKYARD_API_URL: expected/)
  expect(load).not.toThrow(/hunter2/)
})

test('a raw character in the password of the Redis URL is told from other mistakes', () => {
  const load = () => loadSettings({ TRACKYARD_REDIS_URL: 'redis://:pa#hunter2@redis:6379' })
  expect(load).toThrow(/TRACKYARD_REDIS_URL: expected a user and a password in which .* percent-encoded/)
  expect(load).not.toThrow(/hunter2/)
})
