import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { stripVTControlCharacters } from 'node:util'
import { afterAll, describe, expect, test } from '@jest/globals'
import { transformFileSync } from '@swc/core'
import fc from 'fast-check'
import { type LogOptions, openLog } from '../../src/log/log.js'
import { anyCharacter } from '../support/any-character.js'

const KEY = 'tk_live_4f9a7c21d8e35b60'

function setup(options: Partial<LogOptions> = {}) {
  const lines: string[] = []
  const destination = { write: (line: string) => lines.push(line) }
  const log = openLog({ level: 'info', pretty: false, destination, secrets: [KEY], ...options })
  return { log, lines, facts: (index = 0): Record<string, unknown> => JSON.parse(lines[index] ?? 'null') }
}

describe('JSON lines', () => {
  test('a line has level, time, process, facts, the message and a line break', () => {
    const { log, lines, facts } = setup()
    log.info({ event: 'test.line', search: 'ab12', attempt: 2 }, 'Answered')
    expect(lines[0]?.endsWith('}\n')).toBe(true)
    expect(facts()).toEqual({
      level: 'info',
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
      pid: process.pid,
      event: 'test.line',
      search: 'ab12',
      attempt: 2,
      msg: 'Answered',
    })
  })

  test('lower levels are left out', () => {
    const { log, lines } = setup({ level: 'warn' })
    log.debug({ event: 'test.line' }, 'a')
    log.info({ event: 'test.line' }, 'b')
    log.warn({ event: 'test.line' }, 'c')
    log.error({ event: 'test.line' }, 'd')
    expect(lines.map((line) => JSON.parse(line).msg)).toEqual(['c', 'd'])
  })

  test('silent says nothing', () => {
    const { log, lines } = setup({ level: 'silent' })
    log.error({ event: 'test.line' }, 'a')
    expect(lines).toEqual([])
  })
})

describe('errors', () => {
  const broken = new Error('Redis is away', {
    cause: new Error('cannot connect', { cause: Object.assign(new Error('ECONNREFUSED'), { code: 'X' }) }),
  })

  test('are their message and the chain of causes, under any name', () => {
    const { log, facts } = setup()
    log.error({ event: 'test.line', err: broken, error: broken, other: 1 }, 'Failed')
    const described = { message: 'Redis is away', causes: ['cannot connect', 'ECONNREFUSED'] }
    expect(facts()).toMatchObject({ err: described, error: described, other: 1 })
    expect(facts()).not.toHaveProperty('err.stack')
  })

  test('have their stack at debug only', () => {
    const { log, facts } = setup({ level: 'debug' })
    log.error({ event: 'test.line', err: broken }, 'Failed')
    expect(facts()).toHaveProperty('err.stack', expect.stringContaining('log.test'))
  })

  test('on a terminal the message is there once, with code and causes; another message is in a block', () => {
    const { log, lines } = setup({ pretty: true })
    log.error({ event: 'test.line', err: broken }, broken.message)
    log.error({ event: 'test.line', err: broken }, 'Failed')
    const [own = '', other = ''] = lines.map((line) => stripVTControlCharacters(line))
    expect(own).toMatch(
      /^\[.*\] ERROR: Redis is away \{"event":"test.line","causes":\["cannot connect","ECONNREFUSED"\]\}\n$/,
    )
    expect(other).toMatch(/ERROR: Failed [\s\S]*err: \{[\s\S]*"message": "Redis is away"/)
  })

  test('that cause themselves, or are several in one, end', () => {
    const circular = new Error('round')
    circular.cause = circular
    const { log, facts } = setup()
    log.warn(
      {
        event: 'test.line',
        circular,
        both: new AggregateError([new Error('v4'), new Error('v6')]),
        odd: new Error('x', { cause: 7 }),
      },
      'x',
    )
    expect(facts()).toMatchObject({
      circular: { message: 'round' },
      both: { message: 'v4; v6' },
      odd: { message: 'x', causes: ['7'] },
    })
  })
})

describe('secrets', () => {
  test.each([true, false])('are in no field, sentence or error (pretty: %p)', (pretty) => {
    const { log, lines } = setup({ pretty, level: 'debug', secrets: [KEY, 'a"b\\c d/é'] })
    const err = new Error(`bad ${KEY}`, { cause: new Error(`Bearer ${KEY}`) })
    log.error(
      { event: 'test.line', err, [KEY]: KEY, deep: [{ url: `redis://:${encodeURIComponent('a"b\\c d/é')}@x` }] },
      `Key ${KEY}`,
    )
    log.info({ event: 'test.line', password: 'unknown to us', settings: { apiKey: 'too' }, text: 'a"b\\c d/é' }, 'x')
    const text = lines.join('')
    expect(text).toContain('[secret]')
    for (const part of [KEY, 'unknown to us', 'too"', 'b\\\\c', 'b%5Cc', 'c d/é']) expect(text).not.toContain(part)
  })

  test('of any text leave a line of valid JSON without them', () => {
    const secret = fc
      .string({ minLength: 6, maxLength: 30, unit: anyCharacter })
      .filter((text) => !/^[\w[\]:",{}]+$/.test(text))
    fc.assert(
      fc.property(secret, (text) => {
        const { log, facts } = setup({ secrets: [text] })
        log.info({ event: 'test.line', said: `<${text}>` }, 'x')
        expect(facts().said).toBe('<[secret]>')
      }),
    )
  })

  test('one inside another leaves no rest', () => {
    const { log, facts } = setup({ secrets: ['hunter', 'hunter2-long'] })
    log.info({ event: 'test.line', said: 'hunter2-long hunter' }, 'x')
    expect(facts().said).toBe('[secret] [secret]')
  })
})

test('pretty lines are for eyes: time, level, sentence and facts in one line', () => {
  const { log, lines } = setup({ pretty: true })
  log.warn({ event: 'test.line', attempt: 2 }, 'Held until 10:00')
  expect(lines).toHaveLength(1)
  const plain = stripVTControlCharacters(lines[0] ?? '')
  expect(plain).toMatch(/^\[\d\d:\d\d:\d\d\] WARN.*: Held until 10:00 \{"event":"test\.line","attempt":2\}\n$/)
})

describe('a process of its own', () => {
  const root = join(import.meta.dirname, '../..')
  const directory = mkdtempSync(join(tmpdir(), 'log-'))
  afterAll(() => rmSync(directory, { recursive: true }))
  symlinkSync(join(root, 'node_modules'), join(directory, 'node_modules'))
  for (const name of readdirSync(join(root, 'src/log'))) {
    const options = { jsc: { target: 'es2022', parser: { syntax: 'typescript' } }, module: { type: 'es6' } } as const
    const { code } = transformFileSync(join(root, 'src/log', name), options)
    writeFileSync(join(directory, name.replace('.ts', '.js')), code)
  }
  writeFileSync(join(directory, 'package.json'), '{"type":"module"}')

  test.each([true, false])('logs to stderr, and loses no line when it exits at once (pretty: %p)', (pretty) => {
    const script = join(directory, `${pretty}.js`)
    writeFileSync(
      script,
      `import { openLog } from './log.js'
      const log = openLog({ level: 'info', pretty: ${pretty}, secrets: [] })
      for (let i = 1; i <= 2000; i++) log.info({ event: 'test.line', i }, 'line')
      process.exit(7)`,
    )
    const run = spawnSync(process.execPath, [script], { encoding: 'utf8', env: {} })
    expect(run.status).toBe(7)
    expect(run.stdout).toBe('')
    expect(run.stderr.trim().split('\n')).toHaveLength(2000)
    expect(run.stderr).toContain('2000')
  })
})
