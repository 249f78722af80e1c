import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { COMMANDS } from '../../src/cli/program.js'
import { SETTING_NAMES } from '../../src/config/setting-table.js'
import { type Desk, openDesk } from './setup.js'

let desk: Desk
beforeAll(async () => {
  desk = await openDesk()
})
afterAll(() => desk.close())

test('exactly the documented commands exist', async () => {
  expect(COMMANDS.map(({ name }) => name).sort()).toEqual(
    [
      ...['submit', 'release', 'cancel', 'status', 'wait', 'show', 'export', 'report', 'dead-letters'],
      ...[
        'pause',
        'resume',
        'account',
        'up',
        'worker',
        'board',
        'down',
        'simulate',
        'store',
        'init',
        'doctor',
        'completion',
      ],
    ].sort(),
  )
})

test('--help lists every command in its group, and the help command', async () => {
  const { stdout } = await desk.type(['--help'])
  const groups = [...new Set(COMMANDS.map(({ group }) => group))]
  expect(stdout.match(/^[A-Z].*:$/gm)).toEqual(['Options:', ...groups, 'Examples:'])
  expect(stdout).toMatch(/\nInspect:\n( {2}.*\n)* {2}help \[command\] /)
})

test('--help names every command and every setting', async () => {
  const { code, stdout } = await desk.type(['--help'])
  expect(code).toBe(0)
  expect(COMMANDS.filter(({ name }) => !stdout.includes(`\n  ${name} `))).toEqual([])
  const words = new Set(stdout.split(/\s+/))
  expect(SETTING_NAMES.filter((name) => !words.has(name.replace('TRACKYARD_', '')))).toEqual([])
})

const LINES = [
  ...COMMANDS.map(({ name }) => [name]),
  ...['list', 'show', 'retry', 'discard'].map((verb) => ['dead-letters', verb]),
]

test.each(LINES)('%s %s: its help has a description, options and an example', async (...line) => {
  const { code, stdout, stderr } = await desk.type([...line, '--help'])
  expect([code, stderr]).toEqual([0, ''])
  expect(stdout).toMatch(new RegExp(`^Usage: trackyard-batch ${line.join(' ')}`))
  expect(stdout).toMatch(/^Usage: .*\n\n[A-Z][\s\S]*?\.\n\n/)
  expect(stdout).toMatch(/\nExamples?:\n {2}\$ /)
  expect(stdout).toContain(`trackyard-batch ${line.join(' ')}`)
  const undescribed = stdout.match(/^ {2}-[^ ].*$/gm)?.filter((option) => !/ {2,}\S/.test(option.trim()))
  expect(undescribed?.filter((option) => option.length < 60) ?? []).toEqual([])
})

test.each(LINES)('%s %s: its description is one paragraph, wrapped at the width of the terminal', async (...line) => {
  const { stdout } = await desk.type([...line, '--help'])
  const [, description = ''] = stdout.split('\n\n')
  const lines = description.split('\n')
  // The next word would not have fitted.
  for (const [index, text] of lines.entries())
    if (index > 0) expect(`${lines[index - 1]} ${text.split(' ')[0]}`.length).toBeGreaterThan(100)
})

test('`help submit` is the same as `submit --help`', async () => {
  expect((await desk.type(['help', 'submit'])).stdout).toBe((await desk.type(['submit', '--help'])).stdout)
})

describe('a typo exits with 2, the nearest word, and nothing on stdout', () => {
  beforeAll(async () => {
    expect((await desk.type(['status'])).stderr).toContain('Created a new store')
  })

  test.each([
    [['submitt', 'films.csv'], /Unknown command 'submitt'\.\n\(Did you mean submit\?\)/],
    [['submit', '--quey', 'x'], /Unknown option '--quey'\.\n\(Did you mean --query\?\)/],
    [['dead-letters', 'rety'], /found "rety"\. Did you mean retry\?/],
    [['wait', 'night', '--timeout', 'soon'], /whole number/],
    [['export', '--format', 'xml'], /csv, jsonl/],
    [['wait', '--follow'], /--follow is for --json/],
    [['status', 'nowhere'], /No batch has the id or name "nowhere"/],
    [['wait'], /no batch yet\. Submit a catalog/],
    [['show', 'nothing'], /No row or search matches "nothing"/],
    [['dead-letters', 'show', '0123456789'], /No dead letter begins with "0123456789"/],
    [[], /Usage: trackyard-batch/],
  ])('%j', async (line, said) => {
    const { code, stdout, stderr } = await desk.type(line)
    expect(stderr).toMatch(said)
    expect([code, stdout]).toEqual([2, ''])
  })
})

test('an invalid setting exits with 78 and a message', async () => {
  const { code, stderr } = await desk.type(['status'], { env: { TRACKYARD_CONCURRENCY: 'many' } })
  expect(code).toBe(78)
  expect(stderr).toMatch(/TRACKYARD_CONCURRENCY: expected/)
  expect(stderr).not.toMatch(/\n +at /)
})

test('stack traces are shown at TRACKYARD_LOG_LEVEL=debug only', async () => {
  const env = { TRACKYARD_LOG_LEVEL: 'debug' }
  expect((await desk.type(['status', 'nowhere'])).stderr).not.toMatch(/\n +at /)
  expect((await desk.type(['status', 'nowhere'], { env })).stderr).toMatch(/UsageError: .*\n +at /)
})

test.each(['worker', 'board'])('%s that cannot start says why once, even at log level silent', async (command) => {
  const env = { TRACKYARD_LOG_LEVEL: 'silent', TRACKYARD_REDIS_URL: 'redis://127.0.0.1:1' }
  const { code, stderr } = await desk.type([command], { env })
  expect(code).toBe(3)
  expect(stderr).toMatch(/^data directory: .*\nRedis at redis:\/\/127\.0\.0\.1:1\/? does not answer\. .*\n$/)
})

test('a .env in the working directory is read, and the environment wins over it', async () => {
  await desk.file('.env', 'TRACKYARD_CONFIRM_ABOVE=1\nTRACKYARD_CONCURRENCY=many\n')
  expect((await desk.type(['status'])).code).toBe(78)
  expect((await desk.type(['status'], { env: { TRACKYARD_CONCURRENCY: '3' } })).code).toBe(0)
  await desk.file('.env', '')
})
