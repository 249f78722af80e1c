import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { openBatchClient } from '../../src/app/client.js'
import { UsageError } from '../../src/domain/errors.js'
import { CATALOG, type Desk, openDesk, QUERY } from './setup.js'

/** A command that did nothing must not look like a success. */
let desk: Desk
beforeEach(async () => {
  desk = await openDesk()
})
afterEach(() => desk.close())

const batches = async () => (await desk.json<{ batches: readonly object[] }>(['status'])).batches

describe('a catalog in which no row can be searched', () => {
  const EMPTY_CELLS = 'id,title\nA,\nB," "\nC,\nD,\nE,\nF,\nG,\n'

  test.each([
    [[] as string[]],
    [['--json']],
    [['--dry-run']],
    [['--dry-run', '--json']],
    [['--yes', '--wait']],
    [['--first', '2']],
  ])('submit %j exits with 2, shows the first reasons, keeps no batch', async (options) => {
    await desk.file('empty.csv', EMPTY_CELLS)
    const { code, stdout, stderr } = await desk.type(['submit', 'empty.csv', '--query', '{title}', ...options])
    expect(code).toBe(2)
    expect(stderr).toMatch(/^No row can be searched: all 7 rows are invalid\.$/m)
    expect(stderr).toMatch(/^ {2}line 2: .*\n {2}line 3: /m)
    expect(stderr).toMatch(/^ {2}… and \d more$/m)
    expect(stderr + stdout).not.toMatch(/Released|known already/)
    if (options.includes('--json')) expect(JSON.parse(stdout)).toMatchObject({ error: { code: 'unusable_catalog' } })
    else expect(stdout).toBe('')
    expect(await batches()).toEqual([])
  })

  test('one row of JSON Lines from standard input exits with 2', async () => {
    const { code, stderr } = await desk.type(['submit', '-', '--name', 'x'], { stdin: '{"query":7}\n' })
    expect(stderr).toMatch(/^No row can be searched: the only row is invalid\.\n {2}line 1: /m)
    expect(code).toBe(2)
  })

  test('the client library throws a UsageError and keeps no batch', async () => {
    const client = await openBatchClient({
      env: { TRACKYARD_DATA_DIR: desk.dataDir, TRACKYARD_REDIS_URL: desk.redis.url },
    })
    try {
      const order = { name: 'spring', query: '{title}' }
      const rows = [{ title: '' }, { title: null }]
      await expect(client.submit(rows, order)).rejects.toThrow(/No row can be searched[\s\S]*row 1/)
      await expect(client.plan(rows, order)).rejects.toThrow(UsageError)
      await expect(client.submit([{ title: 'calm' }], { ...order, first: 0 })).rejects.toThrow(/1 or more, found 0/)
      expect((await client.status()).batches).toEqual([])
    } finally {
      await client.close()
    }
  })

  test('one good row is enough', async () => {
    await desk.file('most.csv', `${EMPTY_CELLS}H,calm\n`)
    expect(await desk.json(['submit', 'most.csv', '--query', '{title}'])).toMatchObject({ accepted: 1, invalid: 7 })
  })
})

test('--first 0 and --max-credits 0 are refused with 2', async () => {
  await desk.file('films.csv', CATALOG)
  for (const option of ['--first', '--max-credits']) {
    const { code, stderr } = await desk.type(['submit', 'films.csv', '--query', QUERY, option, '0'])
    expect([code, stderr]).toEqual([2, expect.stringContaining('Expected a whole number, 1 or more.')])
  }
})

test('a release that releases nothing says so', async () => {
  await desk.file('films.csv', CATALOG)
  await desk.json(['submit', 'films.csv', '--query', QUERY, '--first', '1'])
  const same = await desk.type(['release', 'films', '--max-credits', '1'])
  expect(same.stdout).toMatch(/^This cap releases nothing more\.\nBatch 1/)
  expect((await desk.type(['release', 'films', '--all'])).stdout).toMatch(/^Batch 1/)
  const again = await desk.type(['release', 'films'])
  expect([again.code, again.stdout]).toEqual([
    0,
    expect.stringMatching(/^Nothing was withheld, so nothing more is released\.\nBatch 1/),
  ])
})

test('dead letters: no match changes nothing, an empty code is refused', async () => {
  for (const verb of ['retry', 'discard']) {
    const { code, stdout } = await desk.type(['dead-letters', verb, '--status', '500', '--yes'])
    expect([code, stdout]).toEqual([0, 'No dead letter matches. Nothing was changed.\n'])
    const empty = await desk.type(['dead-letters', verb, '--code', '', '--yes'])
    expect([empty.code, empty.stderr]).toEqual([2, expect.stringContaining('Expected a text, found none.')])
  }
})

test('a batch that is still loading is not exported, and `wait` says so', async () => {
  const client = await openBatchClient({
    env: { TRACKYARD_DATA_DIR: desk.dataDir, TRACKYARD_REDIS_URL: desk.redis.url },
  })
  try {
    const planned = await client.plan([{ query: 'calm piano' }], { name: 'night' })
    const { code, stdout, stderr } = await desk.type(['export', 'night', '--out', '-'])
    expect([code, stdout, stderr]).toEqual([4, '', expect.stringContaining('is being loaded by a submit')])
    const waited = await desk.type(['wait', 'night', '--timeout', '0'])
    const loading = 'Batch \\d+ \\(night\\) is being loaded by a submit and not released yet\\. If .* about a minute\\.'
    expect(waited.stderr).toMatch(
      new RegExp(
        `^0 of 1 row done; .*\\. ${loading}\nStopped waiting after 0 s; nothing was changed\\. ${loading} Wait again`,
        'm',
      ),
    )
    expect([waited.code, waited.stderr]).toEqual([5, expect.not.stringMatching(/Nothing is due|The work continues/)])
    await planned.release()
    expect((await desk.type(['export', 'night', '--out', '-'])).code).toBe(0)
  } finally {
    await client.close()
  }
})
