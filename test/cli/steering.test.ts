import { spawnSync } from 'node:child_process'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import type { StatusReport } from '../../src/batches/status-report.js'
import type { DocumentBody } from '../../src/cli/documents.js'
import { silentLogger } from '../../src/domain/logger.js'
import { openSearchQueue } from '../../src/queue/search-queue.js'
import { CONTROLS } from '../../src/simulator/controls.js'
import { openStore } from '../../src/store/open-store.js'
import { batchNamed } from '../support/in-process-system.js'
import { limitRate } from '../support/pauses.js'
import { until } from '../support/until.js'
import { type Desk, interruptingAfter, openDesk } from './setup.js'

/** Dead letters, pauses, caps, the account, the simulator. */
let desk: Desk
beforeEach(async () => {
  desk = await openDesk()
})
afterEach(() => desk.close())

const AWAY = { env: { TRACKYARD_REDIS_URL: 'redis://127.0.0.1:1' } }

async function submitted(...queries: readonly string[]): Promise<void> {
  await desk.json(['submit', '-', '--name', 'night'], {
    stdin: queries.map((query) => JSON.stringify({ query })).join('\n'),
  })
}

const report = () => desk.json<StatusReport>(['status'])

async function letters(...options: readonly string[]) {
  const { dead_letters } = await desk.json<DocumentBody<'dead_letters'>>(['dead-letters', 'list', ...options])
  return dead_letters
}

describe('dead letters', () => {
  beforeEach(async () => {
    desk.simulator.fail({ match: 'forbidden', does: { status: 403 } })
    desk.simulator.fail({ match: 'broken', does: { status: 500 } })
    await submitted('forbidden one', 'forbidden two', 'broken one', 'a good one')
    await desk.work()
  })

  test('the list is grouped by cause with remedies; --json has documented keys', async () => {
    const { stdout } = await desk.type(['dead-letters'])
    expect(stdout).toMatch(/^3 dead letters\n\n2 × 403: Forbidden\n {2}The key may not do this/)
    expect(stdout).toContain('1 × 500')
    expect((await desk.type(['dead-letters', '--status', '404'])).stdout).toBe('No dead letter matches.\n')
    const [first] = await letters('--status', '403')
    expect(Object.keys(first ?? {}).sort()).toEqual(
      [
        ...['search', 'query', 'status', 'error', 'code', 'message', 'request_id', 'attempts', 'rows', 'died_at'],
        ...['remedy', 'maybe_paid', 'found_in'],
      ].sort(),
    )
  })

  test('the list accepts --all, although it lists all anyway', async () => {
    expect(await letters('--all')).toHaveLength(3)
    expect(await letters('--all', '--status', '403')).toHaveLength(2)
  })

  test.each(['retry', 'discard'])('%s without a filter and without --all is refused', async (verb) => {
    const { code, stderr } = await desk.type(['dead-letters', verb, '--yes'])
    expect(code).toBe(4)
    expect(stderr).toMatch(/--all/)
    expect(await letters()).toHaveLength(3)
  })

  test('retry without a terminal prints the cost and is refused', async () => {
    const { code, stderr } = await desk.type(['dead-letters', 'retry', '--status', '403'])
    expect(code).toBe(4)
    expect(stderr).toMatch(/2 dead letters .*up to 2 credits.*--yes/)
  })

  test('retry asks on a terminal: n changes nothing, y makes them due', async () => {
    const retry = ['dead-letters', 'retry', '--status', '403']
    expect((await desk.type(retry, { answer: 'n' })).code).toBe(4)
    expect(await letters()).toHaveLength(3)
    desk.simulator.clearFault()
    const { code, stdout } = await desk.type(retry, { answer: 'y' })
    expect([code, stdout]).toEqual([0, '2 searches are due again.\n'])
    await desk.work()
    expect((await report()).batches).toMatchObject([{ tagged: 3, dead: 1 }])
  })

  test.each(['retry', 'discard'])('%s asks again if it would be more than was confirmed', async (verb) => {
    const command = ['dead-letters', verb, '--status', '403']
    const more = async (): Promise<string> => {
      await submitted('forbidden three', 'forbidden four')
      await desk.work()
      return 'y'
    }
    const declined = await desk.type(command, { answers: [more, 'n'] })
    expect(declined.code).toBe(4)
    expect(declined.stderr).toMatch(/ing 2 dead letters .*[Mm]ore match now than you confirmed.*ing 4 dead letters /s)
    expect(await letters('--status', '403')).toHaveLength(4)
    const { code, stdout } = await desk.type([...command, '--json'], { answer: 'y' })
    expect([code, JSON.parse(stdout)]).toMatchObject([
      0,
      verb === 'retry' ? { retried: 4, due: 4, credits_needed: 4, maybe_paid: 0 } : { discarded: 4 },
    ])
  })

  test('a discarded letter stays visible and is retried only by name', async () => {
    await desk.type(['dead-letters', 'discard', '--status', '403', '--yes'])
    const [first] = await letters('--discarded')
    const search = first?.search.slice(0, 12) ?? ''
    const plan = await desk.type(['submit', '-', '--dry-run'], { stdin: JSON.stringify({ query: first?.query }) })
    expect(plan.stdout).toMatch(
      / dead +1 +not retried.* discarded: see `trackyard-batch dead-letters list --discarded`/,
    )
    expect((await desk.type(['dead-letters', 'list', '--discarded'])).stdout).toMatch(/retry SEARCH$/m)
    const next = `trackyard-batch dead-letters retry ${search}`
    expect((await desk.type(['show', search])).stdout).toMatch(
      new RegExp(`discarded from the dead letters; retry it with .${next}`),
    )
    expect(await desk.json(['dead-letters', 'retry', '--all', '--yes'])).toMatchObject({ retried: 1 })
    expect(await desk.json(['dead-letters', 'retry', search, '--yes'])).toMatchObject({ retried: 1, due: 1 })
    expect((await report()).batches).toMatchObject([{ dead: 1, waiting: 2 }])
  })

  test('a retry reports searches that only cancelled batches want', async () => {
    await desk.type(['cancel', 'night'])
    const { stdout } = await desk.type(['dead-letters', 'retry', '--status', '403', '--yes'])
    expect(stdout).toMatch(/^None of them is due\. 2 wanted by no released batch/)
    expect((await report()).queue.waiting).toBe(0)
  })

  test('discard takes them off the list; their rows stay dead', async () => {
    expect(await desk.json(['dead-letters', 'discard', '--batch', 'night', '--yes'])).toMatchObject({
      discarded: 3,
    })
    expect(await letters()).toEqual([])
    expect((await report()).batches).toMatchObject([{ dead: 3 }])
  })

  test('show finds a letter by the first digits of its fingerprint', async () => {
    const [letter] = await letters('--status', '500')
    const { code, stdout } = await desk.type(['dead-letters', 'show', letter?.search.slice(0, 8) ?? ''])
    expect(code).toBe(0)
    expect(stdout).toMatch(/query +broken one\nstatus +500\nerror +Internal Server Error\n/)
    expect(stdout).toMatch(/\nrequest id +req_\d+\n/)
  })
})

describe('pause and resume', () => {
  test('a pause keeps its reason until resume', async () => {
    await submitted('one')
    expect((await desk.type(['pause', '--reason', 'lunch'])).code).toBe(0)
    expect((await report()).queue).toMatchObject({ state: 'paused', reason: expect.stringContaining('lunch') })
    expect((await desk.type(['pause'])).stdout).toMatch(/already/)
    expect(await desk.type(['resume'])).toMatchObject({
      stdout: 'Resumed (was paused: by hand).\n',
      stderr: expect.stringContaining('No worker is running: start one with `trackyard-batch up`.'),
    })
    expect((await report()).queue.state).toBe('no_workers')
    expect((await desk.type(['resume'])).stdout).toBe('Nothing was paused.\n')
  })

  test('status of one batch names its finish, not that of the others', async () => {
    await submitted('one')
    await desk.work()
    await desk.json(['submit', '-', '--name', 'later'], { stdin: '{"query":"two"}' })
    const queue = await openSearchQueue({ connection: { url: desk.redis.url }, log: silentLogger })
    await queue.registry.heartbeat({ id: 'one', writeFailure: null })
    await queue.close()
    const finish = async (...line: readonly string[]) => /^finish .*/m.exec((await desk.type(line)).stdout)?.[0] ?? ''
    expect(await finish('status')).toMatch(/ in under a minute/)
    expect(await finish('status', 'later')).toMatch(/ in under a minute/)
    expect(await finish('status', 'night')).toBe('')
  })

  test('status says how many batches it leaves out', async () => {
    const submitOne = () => desk.json(['submit', '-'], { stdin: '{"query":"one"}' })
    for (let count = 0; count < 20; count += 1) await submitOne()
    expect((await desk.type(['status'])).stdout).not.toContain('more batch')
    await submitOne()
    const line = "… and 1 more batch: `trackyard-batch status BATCH`, or the board's /batches"
    expect((await desk.type(['status'])).stdout).toContain(`\n${line}\n`)
  })

  test('resume below the reserve warns that the queue pauses again', async () => {
    const store = await openStore({ path: join(desk.dataDir, 'trackyard.db') })
    await store.account.update({ creditsRemaining: 12 }, Date.now())
    await store.pauses.add({ cause: 'reserve', since: Date.now(), detail: '12 credits are left.' })
    await store.close()
    const { code, stderr } = await desk.type(['resume'], { env: { TRACKYARD_CREDIT_RESERVE: '20' } })
    expect(code).toBe(0)
    expect(stderr).toMatch(/pauses again at the next search: 12 credits are left and 20 are kept in reserve\. Top up/)
    expect((await desk.type(['resume'], { env: { TRACKYARD_CREDIT_RESERVE: '20' } })).stderr).not.toMatch(/in reserve/)
  })

  test('resume lifts a rate limit that is only in Redis, and says so', async () => {
    await submitted('one')
    const queue = await openSearchQueue({ connection: { url: desk.redis.url }, log: silentLogger })
    await queue.throttle.rateLimit(Date.now() + 3_600_000)
    await queue.close()
    expect((await desk.type(['resume'])).stdout).toBe('Nothing was paused. A stale rate limit in Redis is lifted.\n')
    expect((await desk.type(['resume'])).stdout).toBe('Nothing was paused.\n')
  })

  test('resume says all that it ended, and what still stops the calls', async () => {
    const store = await openStore({ path: join(desk.dataDir, 'trackyard.db') })
    const now = Date.now()
    const pause = async () => {
      await store.pauses.add({ cause: 'no_credits', since: now, detail: 'empty' })
      await store.pauses.add({ cause: 'outside_hours', since: now, detail: '' })
    }
    const hours = { hours: '22:00-06:00', zone: 'UTC', closedFrom: now - 1000, closedUntil: now + 3_600_000 }
    await store.pauses.setActiveHours({ ...hours, nextEnd: now + 7_200_000 })
    await pause()
    await limitRate(store, now + 60_000, now)
    expect((await desk.type(['resume'])).stdout).toBe(
      'Pause ended (no credits). Still paused (outside the active hours). The rate limit by the API is lifted. ' +
        'Calls start by themselves when the active hours begin; to call now, add --now.\n',
    )
    await pause()
    expect((await desk.type(['resume', '--now'])).stdout).toMatch(
      /^Resumed \(was paused: no credits, outside the active hours\)\. One call at a time is made until one succeeds\. The active hours are overridden until they end at .*\.\n$/,
    )
    await store.close()
  })

  test('both work without Redis, and say so', async () => {
    const paused = await desk.type(['pause'], AWAY)
    expect(paused.code).toBe(0)
    expect(paused.stderr).toMatch(/Redis .*in the store/)
    expect((await report()).queue.causes).toEqual(['operator'])
    expect((await desk.type(['resume'], AWAY)).code).toBe(0)
    expect((await report()).queue.causes).toEqual([])
  })
})

test('a Redis of another store is refused with 78 and left unchanged', async () => {
  await submitted('one')
  const env = { TRACKYARD_DATA_DIR: `${desk.dataDir}-2` }
  for (const line of [['pause'], ['resume'], ['status'], ['down']]) {
    const { code, stderr } = await desk.type(line, { env })
    expect([line, code]).toEqual([line, 78])
    expect(stderr).toMatch(/belongs to another store/)
  }
  expect((await report()).queue.causes).toEqual([])
  expect(await desk.redis.command('GET', '{trackyard}:stop')).toBe('$-1\r\n')
})

describe('caps', () => {
  test('a used-up cap stays until it is raised or removed', async () => {
    const lines = ['one', 'two', 'three'].map((query) => JSON.stringify({ query })).join('\n')
    await desk.json(['submit', '-', '--name', 'night', '--max-credits', '1'], { stdin: lines })
    await desk.work()
    const { code, stderr } = await desk.type(['release', 'night'])
    expect(code).toBe(4)
    expect(stderr).toMatch(/--max-credits N.*--all/)
    const raise = '`trackyard-batch release 1 --max-credits N`'
    expect((await desk.type(['wait', 'night'])).stderr).toContain(raise)
    expect((await report()).queue.reason).toContain(raise)
    expect((await desk.type(['release', 'night', '--max-credits', '2'])).code).toBe(0)
    await desk.work()
    expect(desk.simulator.paid()).toBe(2)
    expect((await desk.type(['release', 'night', '--all'])).stdout).toMatch(/1 waiting/)
  })

  test('a release prints its cost and asks above the threshold', async () => {
    const lines = ['one', 'two', 'three', 'four'].map((query) => JSON.stringify({ query })).join('\n')
    await desk.json(['submit', '-', '--name', 'night', '--first', '1'], { stdin: lines })
    await desk.work()
    const env = { TRACKYARD_CONFIRM_ABOVE: '2' }
    const declined = await desk.type(['release', 'night'], { env, answer: 'n' })
    expect(declined.stderr).toMatch(
      /releases 3 searches, for at most 3 credits \(49,999 left, last known\); .* finish at/,
    )
    expect([declined.code, declined.stderr]).toEqual([4, expect.stringMatching(/spend up to 3 credits\?/)])
    expect((await report()).batches).toMatchObject([{ waiting: 0, withheld: 3 }])
    // Exactly the threshold, on top of what the batch may spend already.
    const capped = await desk.type(['release', 'night', '--max-credits', '3'], { env })
    expect([capped.code, capped.stderr]).toEqual([0, expect.stringMatching(/releases 2 searches/)])
    const more = await desk.type(['release', 'night', '--all'], { env })
    expect([more.code, more.stderr]).toEqual([0, expect.stringMatching(/releases 1 search, for at most 1 credit /)])
    expect((await desk.type(['release', 'night', '--max-credits', '9'], { env })).stderr).toBe('')
    await desk.work()
    expect(desk.simulator.paid()).toBe(4)
  })

  test('a scheduled batch released early keeps --first, and its price counts from nothing', async () => {
    const lines = ['one', 'two', 'three', 'four'].map((query) => JSON.stringify({ query })).join('\n')
    const later = ['--first', '3', '--not-before', '2099-01-01 22:00']
    const scheduled = await desk.type(['submit', '-', '--name', 'night', ...later], { stdin: lines })
    expect(scheduled.stderr).toContain('To release it now: `trackyard-batch release 1`.')
    const env = { TRACKYARD_CONFIRM_ABOVE: '2' }
    expect((await desk.type(['wait', '1', '--timeout', '0'])).stderr).toMatch(
      /nothing was changed\. Batch 1 \(night\) will be released at .*, by a worker\. No worker is running: start one/,
    )
    const asked = await desk.type(['release', '1'], { env })
    expect([asked.code, asked.stderr]).toEqual([
      4,
      expect.stringContaining('releases 3 searches, for at most 3 credits'),
    ])
    const { code, stdout } = await desk.type(['release', '1', '--yes'], { env })
    expect([code, stdout]).toEqual([0, expect.not.stringContaining('othing')])
    expect((await report()).batches).toMatchObject([{ waiting: 3, withheld: 1 }])
    expect((await desk.type(['release', '1'])).stderr).toContain('releases 1 search, for at most 1 credit ')
    expect((await report()).batches).toMatchObject([{ waiting: 4, withheld: 0 }])
  })

  test.each([
    ['--all', { waiting: 4, withheld: 0 }],
    ['--max-credits=2', { waiting: 2, withheld: 2 }],
  ])('a scheduled batch released early with %s is not held by --first', async (option, rows) => {
    const lines = ['one', 'two', 'three', 'four'].map((query) => JSON.stringify({ query })).join('\n')
    const later = ['--first', '1', '--not-before', '2099-01-01 22:00']
    await desk.json(['submit', '-', '--name', 'night', ...later], { stdin: lines })
    expect((await desk.type(['release', 'night', option])).code).toBe(0)
    expect((await report()).batches).toMatchObject([rows])
  })

  test('Ctrl-C instead of an answer changes nothing and exits with 1', async () => {
    const lines = ['one', 'two', 'three'].map((query) => JSON.stringify({ query })).join('\n')
    await desk.json(['submit', '-', '--name', 'night', '--first', '1'], { stdin: lines })
    for (const line of [
      ['release', 'night', '--all'],
      ['cancel', 'night'],
    ]) {
      const typing = { ...interruptingAfter('[y/N] '), answer: '', env: { TRACKYARD_CONFIRM_ABOVE: '0' } }
      const { code, stdout, stderr } = await desk.type([...line, '--json'], { ...typing, stdin: '' })
      expect([line, code, stderr]).toEqual([line, 1, expect.stringMatching(/Interrupted: nothing was changed\.$/m)])
      expect(JSON.parse(stdout)).toMatchObject({ error: { code: 'interrupted' } })
    }
    expect((await report()).batches).toMatchObject([{ state: 'released', waiting: 1, withheld: 2 }])
  })

  test.each([
    ['--yes', undefined],
    ['--all', 'y'],
  ])('above the threshold %s with the answer %s releases', async (option, answer) => {
    const lines = ['one', 'two', 'three'].map((query) => JSON.stringify({ query })).join('\n')
    await desk.json(['submit', '-', '--name', 'night', '--first', '1'], { stdin: lines })
    const typing = { env: { TRACKYARD_CONFIRM_ABOVE: '0' }, ...(answer === undefined ? {} : { answer }) }
    expect((await desk.type(['release', 'night', option], typing)).code).toBe(0)
    expect((await report()).batches).toMatchObject([{ waiting: 3, withheld: 0 }])
  })

  test('above the threshold a release without a terminal needs --yes, like a submit', async () => {
    const lines = ['one', 'two', 'three'].map((query) => JSON.stringify({ query })).join('\n')
    await desk.json(['submit', '-', '--name', 'night', '--first', '1'], { stdin: lines })
    const env = { TRACKYARD_CONFIRM_ABOVE: '1' }
    const { code, stdout, stderr } = await desk.type(['release', 'night', '--json'], { env })
    expect([code, JSON.parse(stdout)]).toMatchObject([4, { error: { code: 'confirmation_required' } }])
    expect(stderr).toMatch(/This may cost 2 credits, more than .* \(1\)\. Cannot ask here: no terminal\. Pass --yes/)
    expect((await report()).batches).toMatchObject([{ waiting: 1, withheld: 2 }])
  })

  test('an abandoned batch is not the latest; cancel drops it by id or name', async () => {
    await submitted('one')
    const store = await openStore({ path: join(desk.dataDir, 'trackyard.db') })
    const leave = () => store.batches.create({ ...batchNamed('left'), createdAt: Date.now() - 120_000 })
    await leave()
    expect((await desk.type(['wait', '--timeout', '0'])).stderr).toMatch(
      /^Stopped waiting after 0 s; nothing was changed\. Batch 1 \(night\)/m,
    )
    await leave()
    const { code, stdout } = await desk.type(['cancel', 'left'])
    expect({ code, stdout }).toMatchObject({ code: 0, stdout: expect.stringMatching(/dropped\. Nothing was spent/) })
    await store.batches.create({ ...batchNamed('living'), createdAt: Date.now() })
    expect((await desk.type(['cancel', 'living'])).stderr).toMatch(/is being loaded by a submit/)
    await store.close()
  })

  test('a finished batch cannot be cancelled', async () => {
    await submitted('one')
    await desk.work()
    const { code, stderr } = await desk.type(['cancel', 'night'])
    expect(code).toBe(4)
    expect(stderr).toMatch(/Batch 1 \(night\) is done: there is nothing to cancel/)
    expect((await report()).batches).toMatchObject([{ state: 'done', tagged: 1 }])
  })

  test('cancel stops a batch once; a cancelled one cannot be released', async () => {
    await submitted('one')
    expect((await desk.type(['cancel', 'night'])).stdout).toMatch(/1 cancelled/)
    expect((await desk.type(['cancel', 'night'])).code).toBe(4)
    expect((await desk.type(['release', 'night'])).code).toBe(4)
  })
})

describe('account', () => {
  test('shows fresh values from the API', async () => {
    expect(await desk.json(['account'])).toMatchObject({
      tier: 'pro',
      credits_remaining: 50_000,
      limit_per_minute: 6000,
      limit_per_day: null,
      fresh: true,
    })
    expect((await desk.type(['account'])).stdout).toMatch(/credits left +50,000\n/)
  })

  test('an unreachable API shows the last known values and exits with 3', async () => {
    await desk.json(['account'])
    const env = { TRACKYARD_API_URL: 'http://127.0.0.1:1/' }
    const { code, stdout, stderr } = await desk.type(['account', '--json'], { env })
    expect(code).toBe(3)
    expect(JSON.parse(stdout)).toMatchObject({ credits_remaining: 50_000, fresh: false })
    expect(stderr).toMatch(/GET \/me failed/)
  })

  test('a refused key and a missing key exit with 78', async () => {
    const refused = await desk.type(['account'], { env: { TRACKYARD_API_KEY: 'wrong-key-0123456789' } })
    expect([refused.code, refused.stderr]).toEqual([78, expect.stringMatching(/The API refused this key/)])
    expect(refused.stdout + refused.stderr).not.toContain('wrong-key')
    expect((await desk.type(['account'], { env: { TRACKYARD_API_KEY: '' } })).code).toBe(78)
  })
})

test('simulate prints how to use it and exits with 0 at Ctrl-C', async () => {
  const stopping = new AbortController()
  const typed = desk.type(['simulate', '--port', '0', '--credits', '7'], { signal: stopping.signal })
  setTimeout(() => stopping.abort(), 0)
  const { code, stdout } = await typed
  expect(code).toBe(0)
  expect(stdout).toMatch(/export TRACKYARD_API_URL=http:\/\/127\.0\.0\.1:\d+\/api\/external\/v1/)
  expect(stdout).toMatch(/export TRACKYARD_API_KEY=\S+/)
  for (const control of ['top-up', 'fault', 'clear-fault']) {
    expect(stdout).toMatch(new RegExp(`\n  curl -X POST http://127\\.0\\.0\\.1:\\d+/__simulator/${control}\\b`))
  }
})

test('simulate --help names every control', async () => {
  const { stdout } = await desk.type(['simulate', '--help'])
  expect(Object.keys(CONTROLS).filter((name) => !stdout.includes(`\n  ${name}`))).toEqual([])
})

test('simulate on a port in use exits with 2 and names --port', async () => {
  const { code, stderr } = await desk.type(['simulate', '--port', String(desk.simulator.port)])
  expect(code).toBe(2)
  expect(stderr).toMatch(/in use.*--port/)
})

test('down with nothing running says so', async () => {
  expect(await desk.type(['down'])).toMatchObject({ code: 0, stdout: 'No worker was running.\n' })
})

describe('down and a heartbeat of a process that is not here', () => {
  /** Says that it runs on this machine, with the pid of a process that has ended. */
  async function openRegistry() {
    const { pid } = spawnSync('true')
    const queue = await openSearchQueue({ connection: { url: desk.redis.url }, log: silentLogger })
    const facts = { host: hostname(), pid, startedAt: Date.now(), inFlight: 0, hasWebhook: false, mismatches: [] }
    return { queue, heartbeat: () => queue.registry.heartbeat({ id: 'gone', writeFailure: null, facts }) }
  }

  test('a killed worker was not running', async () => {
    const { queue, heartbeat } = await openRegistry()
    await heartbeat()
    expect(await desk.type(['down'])).toMatchObject({ code: 0, stdout: 'No worker was running.\n' })
    await queue.close()
  })

  test('a worker of another container is waited for', async () => {
    const { queue, heartbeat } = await openRegistry()
    await heartbeat()
    let hasEnded = false
    const down = desk.type(['down']).finally(() => {
      hasEnded = true
    })
    await until(() => queue.registry.isStopRequested(), { timeoutMs: 60_000, what: 'the stop request' })
    // For longer than the rest between two of a worker, and more often: this machine may be busy.
    for (let beat = 0; beat < 8; beat += 1) {
      await sleep(1000)
      await heartbeat()
    }
    expect(hasEnded).toBe(false)
    await queue.registry.unregister('gone')
    expect((await down).code).toBe(0)
    await queue.close()
  })
})
