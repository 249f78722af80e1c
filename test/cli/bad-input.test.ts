import { afterAll, beforeAll, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { COMMANDS } from '../../src/cli/commands.js'
import { type Desk, openDesk } from './setup.js'

let desk: Desk
beforeAll(async () => {
  desk = await openDesk({ credits: 0 })
  await desk.file('films.csv', 'id,title,mood\nA,Harbor,calm\n')
})
afterAll(() => desk.close())

/** Those that run until Ctrl-C are asked for their help only. */
const SERVICES = ['up', 'worker', 'board', 'simulate', 'down']
const OPTIONS = [
  ...['--query', '--id', '--limit', '--filters', '--name', '--priority', '--max-credits', '--first', '--max-age'],
  ...['--delimiter', '--dry-run', '--yes', '--json', '--format', '--out', '--status', '--batch', '--code', '--all'],
  ...['--reason', '--timeout', '--help', '--version', '--', '-', '-x', '--nope', '-q', '-y'],
]
const value = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 12 }),
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

test('any words end with a documented code, a sentence unless it is 0, no stack trace and no escape sequence', async () => {
  await fc.assert(
    fc.asyncProperty(line, async (argv) => {
      // Waiting would be right for what is released, so nobody waits long.
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
