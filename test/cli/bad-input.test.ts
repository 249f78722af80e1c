import { symlink } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { Writable } from 'node:stream'
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { COMMANDS } from '../../src/cli/program.js'
import { SETTING_NAMES } from '../../src/config/setting-table.js'
import { anyCharacter } from '../support/any-character.js'
import { type Desk, openDesk } from './setup.js'

let desk: Desk
beforeAll(async () => {
  desk = await openDesk({ credits: 0 })
  await desk.file('films.csv', 'id,title,mood\nA,Harbor,calm\n')
  await symlink('loop.csv', join(desk.dir, 'loop.csv'))
})
afterAll(() => desk.close())

/** Commands that run until Ctrl-C are only called with --help. */
const SERVICES = ['up', 'worker', 'board', 'simulate', 'down']
const OPTIONS = [
  ...['--query', '--id', '--limit', '--filters', '--name', '--priority', '--max-credits', '--first', '--max-age'],
  ...['--delimiter', '--dry-run', '--yes', '--json', '--format', '--out', '--status', '--batch', '--code', '--all'],
  ...['--reason', '--timeout', '--help', '--version', '--', '-', '-x', '--nope', '-q', '-y'],
]
const value = fc.oneof(
  fc.string({ unit: anyCharacter, maxLength: 12 }),
  fc.constantFrom(
    '',
    '0',
    '-1',
    '1e9',
    'abc',
    '1',
    '[]',
    '{"genres":"x"}',
    '{title}',
    '{{',
    '}',
    'films.csv',
    'films',
    '.',
  ),
  fc.constantFrom(
    'nowhere.csv',
    'loop.csv',
    'films.csv/x',
    '/proc/self/mem',
    '/dev/full',
    'x'.repeat(300),
    '99999999999999999999',
    '/',
    '~',
    '\uD800',
    'nowhere/x',
    '/dev/null',
    'list',
    'retry',
    'discard',
    'csv',
    'jsonl',
    '\x1B[31m',
    '__proto__',
  ),
)
const name = fc.constantFrom(...COMMANDS.map((command) => command.name).filter((each) => !SERVICES.includes(each)))
const words = fc.array(fc.oneof(value, fc.constantFrom(...OPTIONS)), { maxLength: 6 })
const line = fc.oneof(
  fc.tuple(name, words).map(([first, rest]) => [first, ...rest]),
  fc.tuple(fc.constantFrom(...SERVICES, 'nope', '\u0000'), words).map(([first, rest]) => [first, '--help', ...rest]),
  words.filter((list) => !list.includes('--')),
)

test('any arguments end with a documented exit code and a clean message', async () => {
  await fc.assert(
    fc.asyncProperty(line, async (argv) => {
      // `wait` would rightly wait for a released batch, so it gets a timeout of 0.
      const bounded = argv[0] === 'wait' ? [...argv.filter((word) => word !== '--'), '--timeout', '0'] : argv
      const { code, stdout, stderr } = await desk.type(bounded)
      expect([0, 1, 2, 3, 4, 5, 78]).toContain(code)
      expect(stderr).not.toMatch(/\n +at |Unexpected error/)
      expect(stdout + stderr).toMatch(/^(\P{Cc}|[\n\t])*$/u)
      if (code !== 0) expect(stderr).toMatch(/\S+ \S+/)
    }),
    { numRuns: 80 },
  )
})

/** Settings that cannot make a command hang: no addresses. */
const setting = fc.tuple(
  fc.constantFrom(
    ...SETTING_NAMES.filter(
      (each) => !['TRACKYARD_API_URL', 'TRACKYARD_REDIS_URL', 'TRACKYARD_DATA_DIR'].includes(each),
    ),
  ),
  value.filter((text) => !text.includes('\0')),
)

test('any settings end with a documented exit code, never with a bug report', async () => {
  const command = fc.constantFrom(['status'], ['account', '--json'], ['submit', 'films.csv', '--query', '{title}'])
  await fc.assert(
    fc.asyncProperty(command, fc.array(setting, { maxLength: 3 }), async (argv, settings) => {
      const { code, stderr } = await desk.type(argv, { env: Object.fromEntries(settings) })
      expect([0, 2, 3, 4, 78]).toContain(code)
      expect(stderr).not.toMatch(/\n +at |Unexpected error|a bug/)
      if (code !== 0) expect(stderr).toMatch(/\S+ \S+/)
    }),
    { numRuns: 60 },
  )
})

test.each([
  ['/dev/null/x', /because its directory is a file/],
  ['/proc/x', /cannot be opened or created/],
  ['loop.csv', /cannot be opened or created/],
  [`too-long-${'x'.repeat(300)}`, /cannot be opened or created/],
])('%#: an impossible data directory is reported', async (dir, sentence) => {
  const { code, stderr } = await desk.type(['status'], { env: { TRACKYARD_DATA_DIR: resolve(desk.dir, dir) } })
  expect(stderr).toMatch(sentence)
  expect([3, 78]).toContain(code)
})

test('simulate refuses a port in use and a latency beyond any timer', async () => {
  const port = new URL(desk.simulator.url).port
  expect(await desk.type(['simulate', '--port', port])).toMatchObject({
    code: 2,
    stderr: expect.stringContaining(`Port ${port} is in use`),
  })
  expect((await desk.type(['simulate', '--latency', '99999999999'])).code).toBe(2)
})

test.each([
  [['--filters', '{"genres":"x"}'], /^--filters: expected the filter genres to be a list of texts, found "x"\.$/m],
  [['--max-age', '99999999999'], /number of days above 0, at most 36500/],
  [['--name', 'two\nlines'], /one line of text/],
  [['--name', 'x'.repeat(5000)], /argument 'x{59}…' is invalid/],
])('submit %j exits with 2 and says what was expected', async (options, said) => {
  const { code, stderr } = await desk.type(['submit', 'films.csv', '--query', '{title}', ...options])
  expect(stderr).toMatch(said)
  expect([code, stderr.length < 300]).toEqual([2, true])
})

test('--max-age accepts fractions of a day', async () => {
  const planned = await desk.json(['submit', 'films.csv', '--query', '{title}', '--max-age', '1.1', '--dry-run'])
  expect(planned).toMatchObject({ rows: 1 })
})

test('a full disk behind `> file` exits with 3 and a message', async () => {
  await desk.json(['submit', 'films.csv', '--query', '{title}', '--yes'])
  for (const argv of [['--help'], ['status'], ['export', '--out', '-']]) {
    const stdout = new Writable({
      write: (_chunk, _encoding, done) => done(Object.assign(new Error('ENOSPC: no space left'), { code: 'ENOSPC' })),
    })
    const { code, stderr } = await desk.type(argv, { stdout })
    expect(stderr).toContain('Could not write the output (ENOSPC: no space left)')
    expect([code, stderr.match(/ENOSPC|rows? to stdout/g)]).toEqual([3, ['ENOSPC']])
  }
})

test('a batch whose searches are already queued is not called done', async () => {
  await desk.file('again.csv', 'id,title\nA,queued twice\n')
  for (const name of ['one', 'two']) {
    const submitted = ['submit', 'again.csv', '--query', '{title}', '--yes', '--name', name]
    const { stdout, stderr } = await desk.type(submitted)
    expect(stderr).toContain('Next: trackyard-batch up')
    expect(stdout.includes('everything is known or queued already')).toBe(name === 'two')
  }
})

test('an unreachable API is reported with the setting to check', async () => {
  const { code, stderr } = await desk.type(['account'], { env: { TRACKYARD_API_URL: 'http://127.0.0.1:1' } })
  expect(stderr).toContain('connection refused. Check TRACKYARD_API_URL')
  expect(code).toBe(3)
})
