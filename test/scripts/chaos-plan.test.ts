import { describe, expect, test } from '@jest/globals'
import { readOptions } from '../../scripts/chaos/options.js'
import { describeStep, planOf } from '../../scripts/chaos/plan.js'

const FIVE_MINUTES = 300_000

describe('the plan of a chaos run', () => {
  test('is the same for the same seed and length, and another for another seed', () => {
    expect(planOf(7, FIVE_MINUTES, 'sqlite')).toEqual(planOf(7, FIVE_MINUTES, 'sqlite'))
    expect(planOf(8, FIVE_MINUTES, 'sqlite').steps.map(describeStep)).not.toEqual(
      planOf(7, FIVE_MINUTES, 'sqlite').steps.map(describeStep),
    )
  })

  test('holds every kind of action in five minutes, with 100 kills or more, in order of time and within the run', () => {
    const { steps, lastsMs } = planOf(7, FIVE_MINUTES, 'sqlite')
    const kinds = new Map<string, number>()
    for (const { action } of steps) kinds.set(action.do, (kinds.get(action.do) ?? 0) + 1)
    expect(kinds.size).toBe(15)
    expect(kinds.get('kill worker')).toBeGreaterThanOrEqual(100)
    const times = steps.map(({ atMs }) => atMs)
    expect(times).toEqual([...times].sort((one, other) => one - other))
    expect(times.at(-1)).toBeLessThan(lastsMs)
  })

  test('breaks PostgreSQL, too, where the store is there, and is the same as ever where it is not', () => {
    const blows = (store: 'sqlite' | 'postgres') =>
      new Set(
        planOf(7, FIVE_MINUTES, store)
          .steps.map(({ action }) => action.do)
          .filter((verb) => /postgres|connections/.test(verb)),
      )
    expect([...blows('postgres')].sort()).toEqual([
      'freeze postgres',
      'kill postgres',
      'restart postgres',
      'terminate connections',
    ])
    expect(blows('sqlite').size).toBe(0)
  })

  test('submits batches that share searches, each with a row that cannot ask', () => {
    const { batches } = planOf(1, FIVE_MINUTES, 'sqlite')
    const [first, second] = batches.map(({ rows }) => new Set(rows.map((row) => row.query)))
    expect([...(first ?? [])].filter((query) => query !== null && second?.has(query)).length).toBeGreaterThan(10)
    for (const { rows } of batches) expect(rows.filter((row) => row.query === null)).toHaveLength(1)
  })
})

describe('the words of the chaos command', () => {
  test('are a length in minutes and a seed', () => {
    expect(readOptions(['--minutes', '0.5', '--seed', '9'])).toMatchObject({
      lastsMs: 30_000,
      seed: 9,
      store: 'sqlite',
    })
    expect(readOptions(['--store', 'postgres'])).toMatchObject({ store: 'postgres' })
    expect(readOptions(['--help'])).toBeNull()
  })

  test.each([
    ['--minutes', 'soon'],
    ['--minutes', '0'],
    ['--seed', '1.5'],
    ['--seed', 'x'],
    ['--store', 'oracle'],
  ])('%s %s is refused with what was expected and found', (name, value) => {
    expect(() => readOptions([name, value])).toThrow(`found "${value}"`)
  })
})
