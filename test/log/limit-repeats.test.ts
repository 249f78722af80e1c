import { expect, test } from '@jest/globals'
import { limitRepeats } from '../../src/log/limit-repeats.js'
import { openLog } from '../../src/log/log.js'
import { recordingLogger } from '../support/recording-logger.js'

function limited() {
  const recorded = recordingLogger()
  let now = 0
  return {
    lines: recorded.lines,
    log: limitRepeats(recorded, () => now),
    pass: (ms: number) => {
      now += ms
    },
  }
}

test('a repeated event is written once a minute, with its count', () => {
  const { log, lines, pass } = limited()
  for (let each = 0; each < 100_000; each += 1) log.warn({ event: 'redis.full', repeats: true, each }, 'full')
  expect(lines).toEqual([{ level: 'warn', message: 'full', facts: { event: 'redis.full', each: 0 } }])
  pass(59_999)
  log.warn({ event: 'redis.full', repeats: true }, 'full')
  expect(lines).toHaveLength(1)
  pass(1)
  log.warn({ event: 'redis.full', repeats: true }, 'full')
  expect(lines[1]?.facts).toEqual({ event: 'redis.full', times: 100_001 })
  pass(60_000)
  log.warn({ event: 'redis.full', repeats: true }, 'full')
  expect(lines[2]?.facts).toEqual({ event: 'redis.full' })
})

test('kinds do not hide each other, whatever their level and message', () => {
  const { log, lines } = limited()
  for (const kind of ['a', 'b', 'a', 'b']) {
    log.error({ event: kind, repeats: true }, `failure ${kind}`)
    log.info({ event: `end of ${kind}`, repeats: true }, 'over')
  }
  expect(lines.map(({ facts }) => facts.event)).toEqual(['a', 'end of a', 'b', 'end of b'])
})

test('lines of one event are told apart by the text in repeats', () => {
  const { log, lines } = limited()
  for (const name of ['worker', 'board', 'worker']) log.warn({ event: 'child.exited', repeats: name }, name)
  expect(lines.map(({ message }) => message)).toEqual(['worker', 'board'])
})

test('a line that does not repeat is always written', () => {
  const { log, lines } = limited()
  for (let each = 0; each < 100; each += 1) log.warn({ event: 'call.finished', search: each }, 'answered with 403')
  expect(lines).toHaveLength(100)
})

test('the log of the program keeps the rule, and writes the event', () => {
  const written: string[] = []
  const log = openLog({
    level: 'info',
    pretty: false,
    destination: { write: (line) => written.push(line) },
    secrets: [],
    monotonicMs: () => 0,
  })
  for (let each = 0; each < 10; each += 1) log.error({ event: 'webhook.failed', repeats: true }, 'the webhook failed')
  expect(written.map((line) => JSON.parse(line))).toEqual([
    expect.objectContaining({ event: 'webhook.failed', msg: 'the webhook failed' }),
  ])
})
