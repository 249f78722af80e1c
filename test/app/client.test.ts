import { execFileSync } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { closeSync, constants, existsSync, openSync, readdirSync, readlinkSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { type BatchClient, isBatchError, openBatchClient, type Progress } from '../../src/app/client.js'
import { ConfigurationError, UsageError } from '../../src/domain/errors.js'
import { SIMULATOR_KEY } from '../../src/simulator/options.js'
import { type InProcessSystem, startInProcess } from '../support/in-process-system.js'
import { until } from '../support/until.js'

/** A script that uses the library: rows in, tags out, with separate workers. */
let system: InProcessSystem
let client: BatchClient
beforeEach(async () => {
  system = await startInProcess({ simulator: { faults: [{ match: 'refused', does: { status: 400 } }] } })
  client = await open()
})
afterEach(async () => {
  await client.close()
  await system.close()
})

const open = () =>
  openBatchClient({ env: { TRACKYARD_DATA_DIR: system.dataDir, TRACKYARD_REDIS_URL: system.redis.url } })

async function* films(count: number) {
  for (let n = 1; n <= count; n += 1) {
    await new Promise((resolve) => setImmediate(resolve))
    yield { id: `film-${n}`, title: `scene ${n}`, mood: n === 3 ? 'refused' : 'calm' }
  }
}
const options = { name: 'spring', query: '{title} {mood} music' }

async function collected<T>(rows: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const row of rows) all.push(row)
  return all
}

test('rows of an async iterable come back tagged, in order', async () => {
  const batch = await client.submit(films(6), options)
  expect(batch.plan).toMatchObject({ rows: 6, searches: 6, creditsNeeded: 6 })
  await system.worker()
  expect(await client.wait(batch.id, { timeoutMs: 120_000 })).toMatchObject({
    outcome: 'rows_without_answer',
    batch: { id: batch.id, state: 'done', tagged: 5, dead: 1, rowsWithoutAnswer: 1 },
  })
  const results = await collected(client.results('spring'))
  expect(results.map((row) => [row.id, row.status])).toEqual([
    ['film-1', 'tagged'],
    ['film-2', 'tagged'],
    ['film-3', 'dead'],
    ['film-4', 'tagged'],
    ['film-5', 'tagged'],
    ['film-6', 'tagged'],
  ])
  expect(results[0]?.tags?.genre).toEqual(expect.any(String))
  expect(results[0]?.tracks[0]).toMatchObject({ id: expect.any(String), title: expect.any(String) })
  expect(results[0]?.row).toEqual({ id: 'film-1', title: 'scene 1', mood: 'calm' })
  expect(results[2]).toMatchObject({ tags: null, tracks: [], error: expect.stringMatching(/\S/) })
  expect((await client.status(batch.id)).batches).toMatchObject([{ state: 'done', tagged: 5, dead: 1 }])
  const rest = await collected(client.results(batch.id, { after: 4 }))
  expect(rest.map((row) => row.position)).toEqual([5, 6])
})

test('a plan spends nothing, can be dropped, and is released with its cap', async () => {
  const dropped = await client.plan(films(5), { ...options, name: 'dropped' })
  expect((await client.status()).queue.waiting).toBe(0)
  await dropped.drop()
  await expect(client.status('dropped')).rejects.toThrow(UsageError)
  const capped = await client.plan([{ query: 'calm piano' }, { query: 'dark drums', limit: 5 }], {
    name: 'capped',
    maxCredits: 1,
  })
  await capped.release()
  expect((await client.status('capped')).queue).toMatchObject({ waiting: 1 })
  expect((await system.queue.searches.counts()).waiting).toBe(1)
})

test('a source that fails halfway leaves no batch behind', async () => {
  async function* broken() {
    yield* films(3)
    throw new Error('the database is gone')
  }
  await expect(client.submit(broken(), options)).rejects.toThrow('the database is gone')
  await expect(client.status('spring')).rejects.toThrow(UsageError)
})

test('a source is ended when an option is refused, and when the signal is aborted', async () => {
  let ended = 0
  async function* endless(onRow: (n: number) => void) {
    try {
      for (let n = 1; ; n += 1) {
        onRow(n)
        yield { title: `scene ${n}`, mood: 'calm' }
      }
    } finally {
      ended += 1
    }
  }
  await expect(
    client.submit(
      endless(() => {}),
      { ...options, limit: 0 },
    ),
  ).rejects.toThrow('expected limit')
  expect(ended).toBe(1)
  const reason = new Error('enough')
  const stopping = new AbortController()
  let rows = 0
  const counted = endless((n) => {
    rows = n
    if (n === 3) stopping.abort(reason)
  })
  await expect(client.submit(counted, { ...options, signal: stopping.signal })).rejects.toBe(reason)
  await until(() => ended === 2, { timeoutMs: 10_000, what: 'the end of the source' })
  expect(rows).toBe(3)
  await expect(client.status('spring')).rejects.toThrow(UsageError)
})

test('an abort closes a pipe that nobody writes to', async () => {
  const path = join(system.dataDir, 'rows.csv')
  execFileSync('/usr/bin/mkfifo', [path])
  const writer = openSync(path, constants.O_RDWR | constants.O_NONBLOCK)
  const stopping = new AbortController()
  const submitted = client.submit({ path }, { ...options, signal: stopping.signal })
  await until(() => openCount(path) === 2, { timeoutMs: 10_000, what: 'the pipe to be opened' })
  stopping.abort(new Error('enough'))
  await expect(submitted).rejects.toThrow('enough')
  await until(() => openCount(path) === 1, { timeoutMs: 10_000, what: 'the pipe to be closed' })
  closeSync(writer)
})

/** How many descriptors of this process are open on that file. */
const openCount = (path: string) => {
  const open = readdirSync('/proc/self/fd').map((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`)
    } catch {
      return null
    }
  })
  return open.filter((file) => file === path).length
}

test('a row that contains itself is named and leaves no batch behind', async () => {
  const bad: Record<string, unknown> = { title: 'x', mood: 'y' }
  bad.value = bad
  const refused = client.submit([{ title: 'a', mood: 'b' }, bad], options)
  await expect(refused).rejects.toMatchObject({
    name: 'UsageError',
    message: expect.stringMatching(/^Row 2: expected values that JSON can represent/),
  })
  expect(await system.store.batches.find(null)).toBeNull()
})

test.each([[undefined], [''], ['  '], ['two\nlines'], ['x'.repeat(201)], [7]])(
  'the name %j is refused, as on the command line',
  async (name) => {
    const wanted = { ...options, name } as typeof options
    await expect(client.submit(films(1), wanted)).rejects.toMatchObject({
      name: 'UsageError',
      message: expect.stringMatching(/^Expected the batch's name to be one line of text, 1 to 200 characters, found /),
    })
    expect(await system.store.batches.find(null)).toBeNull()
  },
)

test('a client that is closed in the middle of a submit says so, and releases nothing', async () => {
  const other = await open()
  const rows = async function* () {
    yield { title: 'first' }
    await other.close()
    yield { title: 'second' }
  }
  await expect(other.submit(rows(), { name: 'cut off', query: '{title}' })).rejects.toMatchObject({
    name: 'UsageError',
    message: expect.stringContaining('closed before this call had ended'),
  })
  const waiting = open()
  const wait = (await waiting).wait((await client.submit([{ title: 'third' }], { name: 'waits', query: '{title}' })).id)
  const waited = expect(wait).rejects.toMatchObject({ name: 'UsageError' })
  await (await waiting).close()
  await waited
  expect((await client.status()).queue.waiting).toBe(1)
})

test('a closed client refuses every call but close', async () => {
  const planned = await client.plan(films(1), options)
  await client.close()
  await client.close()
  const calls = [
    () => client.submit(films(1), options),
    () => client.plan(films(1), options),
    () => client.status(),
    () => client.status(1),
    () => client.wait(1),
    () => collected(client.results(1)),
    () => collected(client.watch(1)),
    () => client.release(1),
    () => client.cancel(1),
    () => client.pause(),
    () => client.resume(),
    () => client.show(1),
    () => client.account(),
    () => collected(client.deadLetters.list()),
    () => client.deadLetters.retry({ all: true }),
    () => client.deadLetters.discard({ all: true }),
    () => planned.release(),
    () => planned.drop(),
  ]
  for (const call of calls)
    await expect(call()).rejects.toMatchObject({ name: 'UsageError', message: expect.stringContaining('closed') })
})

const connections = async () => (await system.redis.command('CLIENT', 'LIST')).match(/^id=/gm)?.length

test('calls at the same time share one connection to Redis', async () => {
  const { id } = await client.submit(films(3), options)
  const before = await connections()
  const other = await open()
  await Promise.all(Array.from({ length: 10 }, () => other.status(id)))
  expect(await connections()).toBe(Number(before) + 1)
  await other.close()
})

test('a call that is stopped while Redis is connected leaves no connection behind', async () => {
  const before = await connections()
  const other = await open()
  const stop = new AbortController()
  const retrying = other.deadLetters.retry({ all: true, signal: stop.signal })
  setImmediate(() => stop.abort(new Error('enough')))
  await expect(retrying).rejects.toThrow('enough')
  await other.close()
  await until(async () => (await connections()) === before, { timeoutMs: 30_000, what: 'the connection to end' })
})

test('settings that are given are all settings: no .env is read', async () => {
  const before = process.cwd()
  const directory = await mkdtemp(join(tmpdir(), 'production-'))
  await writeFile(join(directory, '.env'), 'TRACKYARD_DATABASE_URL=postgres://production.invalid/night\n')
  process.chdir(directory)
  try {
    await (await open()).close()
  } finally {
    process.chdir(before)
    await rm(directory, { recursive: true })
  }
})

test('answers of another API are not used for a batch, but can be read', async () => {
  await system.worker()
  await system.submit(['calm piano'])
  await client.wait('night', { timeoutMs: 120_000 })
  // Without TRACKYARD_API_URL, the API is the published one.
  await expect(client.submit([{ query: 'calm piano' }], options)).rejects.toThrow(ConfigurationError)
  expect((await client.status()).batches).toMatchObject([{ name: 'night', tagged: 1 }])
})

test('every method refuses an option that it does not have', async () => {
  const misspelt = { signal: undefined, signl: undefined }
  const calls: (() => Promise<unknown>)[] = [
    () => client.plan([], { ...options, ...misspelt }),
    () => client.submit([], { ...options, ...misspelt }),
    () => client.release(1, misspelt),
    () => client.cancel(1, misspelt),
    () => client.pause(misspelt),
    () => client.resume(misspelt),
    () => client.status(undefined, misspelt),
    () => client.wait(1, misspelt),
    () => collected(client.watch(1, misspelt)),
    () => collected(client.results(1, misspelt)),
    () => client.show(1, misspelt),
    () => client.account(misspelt),
    () => collected(client.deadLetters.list(misspelt)),
    () => client.deadLetters.retry({ all: true, ...misspelt }),
    () => client.deadLetters.discard({ all: true, ...misspelt }),
  ]
  for (const call of calls) await expect(call()).rejects.toThrow('There is no option "signl": did you mean signal?')
  await expect(Reflect.apply(client.pause, null, [null])).rejects.toThrow('Expected options as an object, found null.')
})

describe('the whole of a batch', () => {
  const withApi = () =>
    openBatchClient({
      env: {
        TRACKYARD_DATA_DIR: system.dataDir,
        TRACKYARD_REDIS_URL: system.redis.url,
        TRACKYARD_API_URL: system.simulator.url,
        TRACKYARD_API_KEY: SIMULATOR_KEY,
      },
    })
  beforeEach(async () => {
    await client.close()
    client = await withApi()
  })

  test('first two searches, a release, a pause and a resume, watched to the end', async () => {
    const { id } = await client.submit(films(6), { ...options, first: 2 })
    await system.worker()
    expect(await client.wait(id, { timeoutMs: 120_000 })).toMatchObject({
      outcome: 'rows_withheld',
      batch: { state: 'released', withheld: 4 },
    })
    await expect(client.pause({ reason: 'a\nb' })).rejects.toThrow(UsageError)
    await expect(client.pause({ reason: 'x'.repeat(201) })).rejects.toThrow(
      'Expected the reason to be one line of text',
    )
    expect(await client.pause({ reason: 'lunch' })).toBe(true)
    expect(await client.pause()).toBe(false)
    expect(await client.release(id)).toMatchObject({ waiting: 4, withheld: 0 })
    expect(await client.wait(id, { timeoutMs: 100 })).toMatchObject({ outcome: 'timed_out' })
    const events: Progress[] = []
    for await (const event of client.watch(id)) {
      events.push(event)
      if (events.length === 1)
        expect(await client.resume()).toEqual({ ended: ['operator'], stillPaused: [], retried: 0 })
    }
    expect(events[0]).toMatchObject({ queue: { state: 'paused', causes: ['operator'] }, outcome: null })
    expect(events.at(-1)).toMatchObject({ batch: { state: 'done', tagged: 5 }, outcome: 'rows_without_answer' })
    expect(system.simulator.paid()).toBe(5)
    expect(await client.cancel(id)).toMatchObject({ state: 'cancelled', dead: 1 })
    await expect(client.cancel(id)).rejects.toMatchObject({ code: 'nothing_to_cancel' })
  })

  test('dead letters are listed, retried and discarded, each by a filter', async () => {
    const { id } = await client.submit(films(4), options)
    await system.worker()
    await client.wait(id, { timeoutMs: 120_000 })
    const [letter, ...others] = await collected(client.deadLetters.list({ batch: 'spring' }))
    expect([letter, others]).toMatchObject([
      {
        ...{ query: 'scene 3 refused music', status: 400, rows: 1, maybePaid: false },
        foundIn: [{ batch: id, position: 3, id: 'film-3' }],
      },
      [],
    ])
    expect(letter?.diedAt).toBeInstanceOf(Date)
    await expect(client.deadLetters.retry({})).rejects.toMatchObject({ code: 'confirmation_required' })
    // As a script without types may pass it.
    for (const untyped of [JSON.parse('{"all":"false"}'), undefined])
      await expect(client.deadLetters.retry(untyped)).rejects.toMatchObject({ code: 'confirmation_required' })
    const misspelt = client.deadLetters.retry(JSON.parse('{"all":true,"statuss":500}'))
    await expect(misspelt).rejects.toThrow('There is no option "statuss": did you mean status?')
    expect(await client.deadLetters.retry({ status: 404 })).toEqual({ retried: 0, due: 0, withheld: 0, maybePaid: 0 })
    expect(await client.deadLetters.retry({ search: letter?.search })).toMatchObject({
      retried: 1,
      due: 1,
      withheld: 0,
    })
    expect(await client.wait(id, { timeoutMs: 120_000 })).toMatchObject({ outcome: 'rows_without_answer' })
    expect(await client.deadLetters.discard({ all: true })).toBe(1)
    expect(await collected(client.deadLetters.list())).toEqual([])
    expect(await collected(client.deadLetters.list({ discarded: true }))).toMatchObject([{ search: letter?.search }])
  })

  test('a row and a search are shown; the account is fresh with a key', async () => {
    const { id } = await client.submit(films(3), options)
    await system.worker()
    await client.wait(id, { timeoutMs: 120_000 })
    const shown = await client.show('film-3', { batch: id })
    expect(shown).toMatchObject({ kind: 'row', batch: id, position: 3, status: 'dead', search: { kind: 'search' } })
    const search = await client.show('film-1').then((row) => (row?.kind === 'row' ? row.search : null))
    expect(search?.calls).toMatchObject([{ outcome: 'answered', status: 200 }])
    expect(search?.tracks?.length).toBeGreaterThan(0)
    expect(await client.show(search?.search ?? '')).toMatchObject({
      kind: 'search',
      rows: [{ batch: id, position: 1 }],
    })
    expect(await client.show('nobody')).toBeNull()
    expect(await client.account()).toMatchObject({ staleReason: null, creditsRemaining: expect.any(Number) })
  })

  test('a cap is raised by release, and errors have codes', async () => {
    const { id, plan } = await client.submit(films(5), { ...options, maxCredits: 1 })
    expect(plan).toMatchObject({ searches: 5, creditsNeeded: 1, finishAt: expect.any(Date) })
    await system.worker()
    await client.wait(id, { timeoutMs: 120_000 })
    const refused = await client.release(id).catch((error: unknown) => error)
    expect(isBatchError(refused) && refused.code).toBe('cap_used_up')
    await client.release(id, { maxCredits: null })
    expect(await client.wait(id, { timeoutMs: 120_000 })).toMatchObject({ outcome: 'rows_without_answer' })
    await expect(client.status('nobody')).rejects.toMatchObject({
      code: 'no_such_batch',
      message: expect.stringMatching(/^No batch .* lists the batches\.$/),
      hint: '`trackyard-batch status` lists the batches.',
    })
  })

  test('an aborted signal ends every method with its reason', async () => {
    const reason = new Error('enough')
    const signal = AbortSignal.abort(reason)
    const { id } = await client.submit(films(2), options)
    const calls = [
      () => client.submit(films(1), { ...options, signal }),
      () => client.plan(films(1), { ...options, signal }),
      () => client.release(id, { signal }),
      () => client.cancel(id, { signal }),
      () => client.pause({ signal }),
      () => client.resume({ signal }),
      () => client.status(id, { signal }),
      () => client.wait(id, { signal }),
      () => collected(client.watch(id, { signal })),
      () => collected(client.results(id, { signal })),
      () => client.show(1, { signal }),
      () => client.account({ signal }),
      () => collected(client.deadLetters.list({ signal })),
      () => client.deadLetters.retry({ all: true, signal }),
      () => client.deadLetters.discard({ all: true, signal }),
    ]
    for (const call of calls) await expect(call()).rejects.toBe(reason)
    expect(await client.status(id)).toMatchObject({ batches: [{ waiting: 2 }], queue: { state: 'no_workers' } })
    const later = new AbortController()
    const waiting = client.wait(id, { signal: later.signal })
    setImmediate(() => later.abort(reason))
    await expect(waiting).rejects.toBe(reason)
  })
})

test('a corrected catalog continues a batch, by its ids', async () => {
  const first = await client.submit(films(3), options)
  const corrected = [
    { id: 'film-3', title: 'scene 3', mood: 'bright' },
    { id: 'film-1', title: 'scene 1', mood: 'calm' },
    { id: 'film-9', title: 'scene 9', mood: 'calm' },
  ]
  const { id, plan } = await client.submit(corrected, { name: 'corrected', continues: 'spring' })
  expect(plan.continues).toEqual({ batch: first.id, new: 1, changed: 1, gone: 1, unchanged: 1 })
  expect(plan.creditsNeeded).toBe(3)
  expect((await client.status(first.id)).batches).toMatchObject([{ state: 'cancelled', cancelled: 3 }])
  expect((await collected(client.results(id))).map((row) => [row.id, row.status])).toEqual([
    ['film-3', 'waiting'],
    ['film-1', 'waiting'],
    ['film-9', 'waiting'],
  ])
})

test('rows keep the digits of their numbers, from objects and from a file', async () => {
  const rows = [{ id: 9007199254740993n, query: 'calm', price: 1.5, parts: [1n, 10n ** 20n + 1n] }]
  const { id } = await client.submit(rows, { name: 'objects' })
  const [result] = await collected(client.results(id))
  expect(result).toMatchObject({
    id: '9007199254740993',
    row: { id: 9007199254740993n, query: 'calm', price: 1.5, parts: [1, 10n ** 20n + 1n] },
  })
  const text = '{"id":9007199254740993,"query":"calm","price":1.10,"big":1e400,"deep":{"n":[12345678901234567890]}}\n'
  const file = await client.submit(Readable.from([Buffer.from(text)], { objectMode: false }), { name: 'file' })
  const [read] = await collected(client.results(file.id))
  expect(read?.row).toEqual({
    id: 9007199254740993n,
    query: 'calm',
    price: 1.1,
    big: '1e400',
    deep: { n: [12345678901234567890n] },
  })
})

test('a catalog file by its path: rows by column, reasons by line; objects: reasons by row', async () => {
  const path = join(system.dataDir, 'films.csv')
  await writeFile(path, 'id,title\n1,Harbor\n2,\n')
  const { id, plan } = await client.submit({ path }, { name: 'films', query: '{title}' })
  expect(plan.invalidReasons).toEqual(['line 3: expected text in {title}, found none'])
  expect((await collected(client.results(id)))[0]?.row).toEqual({ id: '1', title: 'Harbor' })
  const objects = [{ title: 'Harbor', id: 1 }, { title: '' }, { title: 'Again', id: 1 }]
  const submitted = await client.submit(objects, { name: 'objects', query: '{title}' })
  expect(submitted.plan.invalidReasons).toEqual([
    'row 2: expected text in {title}, found none',
    'row 3: repeated id "1": row 1 has it already',
  ])
  expect(submitted.plan.warnings).toEqual([
    '1 row repeats the id of another row. If the property "id" is not unique, name another one with the option id.',
  ])
  await expect(client.submit([], { name: 'none' })).rejects.toThrow('Expected rows, found none')
  const lost = await client.submit({ path: 'nowhere.csv' }, { name: 'none' }).catch((error: unknown) => error)
  expect(isBatchError(lost) && [lost.code, lost.message]).toEqual([
    'unusable_catalog',
    expect.stringMatching(/nowhere\.csv: expected a catalog, found no such file\. Check the path\.$/),
  ])
  // @ts-expect-error No rows at all.
  await expect(client.submit({}, { name: 'none' })).rejects.toMatchObject({ code: 'usage' })
})

test('what a script without types may pass is refused with the reason, and leaves no batch', async () => {
  const open: { plan(...input: readonly unknown[]): Promise<unknown> } = Object.assign(Object.create(null), {
    plan: client.plan,
  })
  for (const [input, said] of [
    [[null, options], /^Expected rows as an array/],
    [['text', options], /^Expected rows as an array/],
    [[[{ title: 'x' }]], /^Expected the batch's name/],
    [[[{ title: 'x' }], { name: 'x', query: 5 }], /^Expected the option query to be a text, found number/],
    [[[{ title: 'x' }], { name: 'x', query: '{title}', id: 7 }], /^Expected the option id to be a text, found number/],
    [[[{ titel: 'x' }], { name: 'x', query: '{title}' }], /no row has\. Did you mean "titel"\?/],
    [
      [[{ title: 'x' }], { ...options, max_credits: 2 }],
      /^There is no option "max_credits": did you mean maxCredits\?/,
    ],
    [[[{ title: 'x' }], { ...options, limit: 5n }], /^expected limit to be a whole number .* found the BigInt 5/],
    [
      [[{ title: 'x' }], { ...options, filters: new Map() }],
      /^expected filters to be a JSON object, found an iterable/,
    ],
    [[[{ title: 'x' }], { ...options, filters: { year: 60n } }], /unchanged, found the BigInt 60/],
    [[[{ title: 'x' }], { ...options, notBefore: '2099-01-01' }], /^Expected a date for notBefore and deadline/],
    [[[{ title: 'x' }], { ...options, notBefore: new Date(1e9) }], /^Expected the start .* found 1970-01-1/],
    [[new Response('title\nx\n').body, options], /^Expected objects as rows, found bytes/],
  ] as const) {
    await expect(open.plan(...input)).rejects.toMatchObject({ code: 'usage', message: expect.stringMatching(said) })
  }
  expect(await system.store.batches.find(null)).toBeNull()
  const planned = await client.plan(films(1), options)
  await expect(client.wait(planned.id, { timeoutMs: Number.NaN })).rejects.toThrow(/^Expected timeoutMs .* found NaN/)
  await planned.drop()
  await expect(planned.release()).rejects.toMatchObject({ code: 'refused' })
})

test('a plan, a status and results start no private Redis', async () => {
  const dataDir = await mkdtemp(join(tmpdir(), 'client-'))
  const alone = await openBatchClient({ env: { TRACKYARD_DATA_DIR: dataDir } })
  try {
    const planned = await alone.plan(films(3), options)
    expect(planned.plan).toMatchObject({ name: 'spring', creditsNeeded: 3 })
    await planned.drop()
    await expect(planned.release()).rejects.toMatchObject({ code: 'refused' })
    expect((await alone.status()).queue.state).toBe('no_workers')
    await alone.pause()
    expect(existsSync(join(dataDir, 'redis'))).toBe(false)
  } finally {
    await alone.close()
    await rm(dataDir, { recursive: true, force: true, maxRetries: 5 })
  }
})

describe('Redis', () => {
  test('of another store is refused before anything is released', async () => {
    await system.redis.flush()
    await system.queue.registry.claimOwnership(randomUUID())
    await expect(client.submit(films(1), options)).rejects.toThrow(ConfigurationError)
    expect(await system.store.batches.find(null)).toBeNull()
  })

  test('that has lost everything still gets the batch', async () => {
    const planned = await client.plan(films(4), options)
    await system.redis.flush()
    await planned.release()
    expect((await system.queue.searches.counts()).waiting).toBe(4)
    expect(await system.queue.registry.owner()).toBe(system.store.id)
  })
})

test('notBefore and deadline are dates; resume can start outside the active hours', async () => {
  const [notBefore, deadline] = [new Date(Date.now() + 3_600_000), new Date(Date.now() + 7_200_000)]
  const { id, plan } = await client.submit(films(2), { ...options, notBefore, deadline })
  expect(plan.meetsDeadline).toBe(true)
  expect((await client.status(id)).batches).toMatchObject([{ state: 'loading', notBefore, deadline }])
  await expect(client.submit(films(2), { ...options, deadline: new Date(0) })).rejects.toBeInstanceOf(UsageError)
  expect(await client.release(id)).toMatchObject({ state: 'released', notBefore: null, deadline })
  const capped = await client.submit(films(4), { name: 'first', query: '{title}', notBefore, first: 3 })
  expect(await client.release(capped.id)).toMatchObject({ state: 'released', waiting: 3, withheld: 1 })
  expect(await client.release(capped.id)).toMatchObject({ waiting: 4, withheld: 0 })
  expect(await client.resume({ now: true })).toMatchObject({ ended: [], stillPaused: [] })
})
