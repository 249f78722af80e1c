import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { granted, loaded, newBatch, refOf, released, row, settle, statuses } from '../store/setup.js'
import { aNight, HOSTILE } from './night.js'
import { setup, type TestBoard } from './setup.js'

/** The morning after: failures by cause, one batch, and the box that finds. Over a real store. */
const ESCAPED = '&lt;script&gt;alert(1)&lt;/script&gt;'

let board: TestBoard
let batch: number

async function start(confirmAbove: number, readOnly = false): Promise<void> {
  board = await setup({ confirmAbove, readOnly })
  batch = await aNight(board.store)
}

async function textOf(path: string): Promise<string> {
  const response = await board.get(path)
  expect([path, response.status]).toEqual([path, 200])
  const html = await response.text()
  // Whatever the API, the catalog or an address says, it is text.
  expect(html).not.toContain(HOSTILE)
  return html
}

beforeEach(() => start(500))
afterEach(() => board[Symbol.asyncDispose]())

describe('dead letters', () => {
  test('are grouped by cause with remedy, price, batches and row ids', async () => {
    const html = await textOf('/dead-letters')
    const plain = plainText(html)
    expect(plain).toContain('3 searches failed for good, 4 rows. A retry costs up to one credit each.')
    expect(plain).toMatch(/400 invalid_parameters 2 searches, 3 rows Retry 2 Discard bad filters Check the query\./)
    expect(plain).toMatch(/loud drums row-2, row-7/)
    expect(plain).toMatch(/Unreadable answer 1 search, 1 row .*1 of them may be paid for already/)
    expect(html).toContain(`spring ${ESCAPED}`)
  })

  test.each([
    ['status=400', 2],
    ['status=-', 0],
    ['code=invalid_parameters', 2],
    ['code=-', 0],
    ['text=DRUMS', 1],
    ['text=%25', 0],
    [`text=${encodeURIComponent('"quoted"')}`, 1],
    ['reason=unreadable', 1],
    ['batch=1', 3],
    ['batch=2', 0],
    ['status=&batch=&reason=&code=&text=', 3],
    [`code=${'x'.repeat(300)}`, 0],
  ])('filtered by %s: %i', async (query, count) => {
    const html = await textOf(`/dead-letters?${query}`)
    if (count === 0) expect(html).toContain('None matches.')
    else expect(html).toContain(`${count} ${count === 1 ? 'search' : 'searches'} failed for good`)
  })

  test.each(['status=50x', 'batch=x', 'reason=y', `text=${'x'.repeat(201)}`])(
    'an invalid filter does not widen an action: %s',
    async (query) => {
      const fields = Object.fromEntries(new URLSearchParams(query))
      for (const answer of [
        await board.get(`/dead-letters?${query}`),
        await board.post('/dead-letters/retry', { ...fields, confirmed: '9' }),
        await board.post('/dead-letters/discard', { ...fields, confirmed: '9' }),
      ])
        expect([answer.status, await answer.text()]).toEqual([400, expect.stringContaining('Expected ')])
      expect(await board.store.deadLetters.count({})).toBe(3)
    },
  )

  test('one without status and code is a group of its own, and its button means it alone', async () => {
    const death = {
      reason: 'crashed',
      status: null,
      error: 'stalled',
      code: null,
      message: null,
      requestId: null,
    } as const
    await board.store.deadLetters.recordCrashed(refOf('last one'), { ...death, remedy: 'Retry once.' }, 5000)
    const html = await textOf('/dead-letters?status=-')
    expect(html).toMatch(
      /1 search failed for good.*Crashed its worker.*name="status" value="-".*name="code" value="-"/s,
    )
    await board.post('/dead-letters/retry', { reason: 'crashed', status: '-', code: '-' })
    expect(await board.store.deadLetters.count({})).toBe(3)
  })

  test('retry of what the filter matches sends back these and no others', async () => {
    const answer = await board.post('/dead-letters/retry', {
      reason: 'refused',
      status: '400',
      code: 'invalid_parameters',
    })
    expect([answer.status, answer.headers.get('location')]).toEqual([303, '/dead-letters?retried=2&due=2'])
    expect(await statuses(board.store, batch)).toEqual([
      'tagged',
      'waiting',
      'waiting',
      'no_match',
      'dead',
      'waiting',
      'waiting',
      'invalid',
      'invalid',
      'invalid',
    ])
    expect(await textOf('/dead-letters?retried=2&due=2')).toContain('2 dead letters sent back.')
  })

  test('above the threshold a retry shows its price first, and again when there are more by then', async () => {
    await board[Symbol.asyncDispose]()
    await start(2)
    const asked = await (await board.post('/dead-letters/retry', {})).text()
    expect(asked).toContain('Retry 3 dead letters?')
    expect(asked).toContain('This may cost up to 3 credits')
    expect(asked).toContain('1 of them may be paid for already and would be bought again')
    expect(await board.store.deadLetters.count({})).toBe(3)
    expect(await (await board.post('/dead-letters/retry', { confirmed: '2' })).text()).toContain(
      'Retry 3 dead letters?',
    )
    expect((await board.post('/dead-letters/retry', { confirmed: 'yes' })).status).toBe(200)
    expect((await board.post('/dead-letters/discard', { confirmed: 'yes' })).status).toBe(200)
    expect(await board.store.deadLetters.count({})).toBe(3)
    expect((await board.post('/dead-letters/retry', { confirmed: '3' })).status).toBe(200)
    expect((await board.post('/dead-letters/retry', { confirmed: '3', maybe_paid: '1' })).status).toBe(303)
    expect(await board.store.deadLetters.count({})).toBe(0)
  })

  test('what may be paid for already is not bought again unasked, below the threshold either', async () => {
    const asked = await (await board.post('/dead-letters/retry', { reason: 'unreadable' })).text()
    expect(asked).toMatch(/Retry 1 dead letter\?.*1 of them may be paid for already and would be bought again/s)
    expect(await board.store.deadLetters.count({})).toBe(3)
  })

  test('discard always asks, then takes them off the list', async () => {
    const asked = await (await board.post('/dead-letters/discard', { text: 'drums' })).text()
    expect(asked).toMatch(/Discard 1 dead letter\?.*name="text" value="drums".*name="confirmed" value="1"/s)
    const done = await board.post('/dead-letters/discard', { text: 'drums', confirmed: '1' })
    expect(done.headers.get('location')).toBe('/dead-letters?discarded=1')
    expect(await board.store.deadLetters.count({})).toBe(2)
  })

  test("Bull Board's Retry all is refused above the threshold, with a pointer here", async () => {
    await board.deadLetters.add('dead-letter', {}, { jobId: `d-${refOf('loud drums').fingerprint}-1-1` })
    const path = '/queues/api/queues/dead-letters/retry/failed'
    const unread = await board.put(path)
    expect(unread.status).toBe(403)
    expect(await unread.text()).toMatch(/up to 3 credits, and 1 of them may be paid for already\..*\/dead-letters/)
    const fields = { reason: 'unreadable', confirmed: '1', maybe_paid: '1' }
    expect((await board.post('/dead-letters/retry', fields)).status).toBe(303)
    expect((await board.put(path)).status).not.toBe(403)
    await board[Symbol.asyncDispose]()
    await start(2)
    const refused = await board.put(path)
    expect(refused.status).toBe(403)
    expect(await refused.text()).toMatch(/up to 3 credits, more than TRACKYARD_CONFIRM_ABOVE \(2\).*\/dead-letters/)
  })
})

test('the menu of each page has the number of dead letters', async () => {
  const badge = 'Dead letters<span class="badge">3</span>'
  for (const path of ['/', '/dead-letters?status=500', `/batches/${batch}`, '/batches', '/find?q=drums'])
    expect([path, await textOf(path)]).toEqual([path, expect.stringContaining(badge)])
  expect(await (await board.post(`/batches/${batch}/cancel`)).text()).toContain(badge)
})

test('calls of unknown outcome are listed until somebody has seen them', async () => {
  await board.store.calls.expire(Date.now())
  expect((await board.store.reports.totals(Date.now())).unknownUnseen).toBe(1)
  expect(await textOf('/dead-letters')).toMatch(/1 call of unknown outcome.*last one/s)
  expect((await board.post('/actions/unknown-seen', { shown: '1' })).headers.get('location')).toBe('/dead-letters')
  expect(await textOf('/dead-letters')).not.toContain('unknown outcome')
  expect(await board.store.reports.totals(Date.now())).toMatchObject({ unknownOutcomes: 1, unknownUnseen: 0 })
})

test('Seen marks the calls of unknown outcome that the page counted, and no later ones', async () => {
  const lost = Array.from({ length: 24 }, (_, index) => `lost ${index}`)
  await released(board.store, lost)
  async function lose(queries: readonly string[]): Promise<void> {
    for (const query of queries) await granted(board.store, query)
    await board.store.calls.expire(Date.now())
  }
  await lose(lost.slice(0, 22))
  const html = await textOf('/dead-letters')
  expect(html).toContain('23 calls of unknown outcome')
  expect(html).toMatch(/and 3 more: .*status --unknown/)
  await lose(lost.slice(22))
  const shown = /name="shown" value="(\d+)"/.exec(html)?.[1] ?? ''
  for (const fields of [{ shown }, {}, { shown: 'x' }, { shown: '1' }]) {
    await board.post('/actions/unknown-seen', fields)
    expect(await board.store.reports.unknownCounts()).toEqual({ all: 25, unseen: 2 })
  }
  await board.post('/actions/unknown-seen', { shown: '99' })
  expect(await board.store.reports.unknownCounts()).toEqual({ all: 25, unseen: 0 })
})

describe('a batch', () => {
  test('has its rows by status, what it cost, its failures and its invalid rows by cause', async () => {
    const html = await textOf(`/batches/${batch}`)
    const plain = plainText(html)
    expect(plain).toContain('1 tagged 1 no match 4 dead 3 invalid 1 waiting')
    expect(plain).toMatch(/Credits charged 4 0\.44 a row, no cap/)
    expect(plain).toContain('2 rows line 8: repeated id &quot;row-1&quot; row-8, row-9')
    expect(plain).toContain('1 row line 10: expected a query, found an empty one row-10')
  })

  test.each(['csv', 'jsonl'])('is downloaded as %s, streamed, with every row', async (format) => {
    const answer = await board.get(`/batches/${batch}/export.${format}`)
    expect(answer.headers.get('content-disposition')).toMatch(
      new RegExp(
        `^attachment; filename="spring _script_alert_1_script_\\.tagged\\.${format}"; filename\\*=UTF-8''spring%20`,
      ),
    )
    const lines = (await answer.text()).trim().split(/\r?\n/)
    expect(lines).toHaveLength(format === 'csv' ? 11 : 10)
    expect(lines[format === 'csv' ? 1 : 0]).toContain('calm piano')
  })

  test('is downloaded under its own name, whatever characters are in it', async () => {
    const name = "Été *(1)* l'eau 100%"
    const id = await board.store.batches.create(newBatch({ name, createdAt: Date.now() }))
    const answer = await board.get(`/batches/${id}/export.csv`)
    expect(answer.status).toBe(200)
    const exact = /filename\*=UTF-8''([\w.%!#$&+^`|~-]+)$/.exec(answer.headers.get('content-disposition') ?? '')?.[1]
    expect(decodeURIComponent(exact ?? '')).toBe(`${name}.tagged.csv`)
  })

  test('is cancelled only after it has asked, and says what is kept and saved', async () => {
    const asked = await (await board.post(`/batches/${batch}/cancel`)).text()
    expect(asked).toContain('1 row will get no call, which saves up to 1 credit')
    expect(asked).toContain('2 answered rows and all that was paid for are kept')
    expect((await board.store.batches.find(String(batch)))?.state).toBe('released')
    expect((await board.post(`/batches/${batch}/cancel`, { confirmed: 'yes' })).status).toBe(303)
    expect((await board.store.batches.find(String(batch)))?.state).toBe('cancelled')
    const again = await board.post(`/batches/${batch}/release`)
    expect([again.status, await again.text()]).toEqual([409, expect.stringContaining('was cancelled')])
  })

  test('is released with a new cap; one that makes no sense is refused', async () => {
    expect((await board.post(`/batches/${batch}/release`, { max_credits: '40' })).status).toBe(303)
    expect((await board.store.batches.find(String(batch)))?.maxCredits).toBe(40)
    expect((await board.post(`/batches/${batch}/release`, { max_credits: 'many' })).status).toBe(400)
    expect((await board.post(`/batches/${batch}/release`, { max_credits: '1' })).status).toBe(409)
  })

  test('loses its cap only after it has asked', async () => {
    expect((await board.post(`/batches/${batch}/release`, { max_credits: '4' })).status).toBe(303)
    // The cap is used up, so the field of the page is empty.
    expect(await textOf(`/batches/${batch}`)).toContain(
      'name="max_credits" inputmode="numeric" pattern="[0-9]*" placeholder="none" value=""',
    )
    for (const confirmed of [{}, { confirmed: 'yes' }]) {
      const asked = await (await board.post(`/batches/${batch}/release`, { max_credits: '', ...confirmed })).text()
      expect(asked).toContain('This may cost up to 1 credit more, without a cap.')
      expect(asked).toContain('Its cap of 4 credits is removed.')
    }
    expect(await board.store.batches.find(String(batch))).toMatchObject({ maxCredits: 4 })
    const yes = { max_credits: '', confirmed: '1' }
    expect((await board.post(`/batches/${batch}/release`, yes)).status).toBe(303)
    expect(await board.store.batches.find(String(batch))).toMatchObject({ maxCredits: null })
  })

  test('that is scheduled keeps --first when it is released early, and its price counts from nothing', async () => {
    await board[Symbol.asyncDispose]()
    await start(2)
    const id = await board.store.batches.create(newBatch({ createdAt: Date.now() }))
    const queries = ['one', 'two', 'three', 'four']
    await board.store.batches.addRows(
      id,
      queries.map((query, index) => row(index + 1, query)),
      1000,
    )
    const schedule = { batchId: id, notBefore: Date.now() + 3_600_000, deadline: null }
    await board.store.schedules.set(schedule, { maxCredits: null, first: 3 })
    expect(await textOf(`/batches/${id}`)).toContain('Release the first 3 now')
    const asked = await (await board.post(`/batches/${id}/release`, { max_credits: '' })).text()
    expect(asked).toContain('This may cost up to 3 credits more, only the first 3 searches.')
    expect((await board.post(`/batches/${id}/release`, { max_credits: '', confirmed: '3' })).status).toBe(303)
    expect(await board.store.batches.find(String(id))).toMatchObject({ state: 'released', first: 3 })
    expect((await board.post(`/batches/${id}/release`, { max_credits: '' })).status).toBe(303)
    expect(await board.store.batches.find(String(id))).toMatchObject({ first: null })
  })

  test('keeps its deadline when it is done, met or missed', async () => {
    // `settle` ends calls at 11,000.
    for (const [query, deadline] of [
      ['early', 11_000],
      ['late', 10_000],
    ] as const) {
      const id = await loaded(board.store, [query])
      await board.store.schedules.set({ batchId: id, notBefore: null, deadline }, { maxCredits: null, first: null })
      await board.store.batches.release(id, { maxCredits: null, first: null }, 2000)
      await settle(board.store, query, 'answered')
    }
    const page = (await textOf('/batches')).replace(/<[^>]+>/g, '|')
    expect(page.match(/deadline [^a-z]+ \w+/g)?.map((text) => text.split(' ').at(-1))).toEqual(['missed', 'met'])
  })

  test('is released also while Redis is away', async () => {
    await board[Symbol.asyncDispose]()
    board = await setup({ report: () => new Promise(() => {}) })
    batch = await aNight(board.store)
    expect((await board.post(`/batches/${batch}/release`, { max_credits: '40' })).status).toBe(303)
  })

  test('that is being loaded is not dropped by a board whose own clock is ahead', async () => {
    const now = () => Date.now() - 3_600_000
    await board[Symbol.asyncDispose]()
    board = await setup({ now })
    const loading = await board.store.batches.create(newBatch({ createdAt: now() }))
    const answer = await board.post(`/batches/${loading}/cancel`, { confirmed: 'yes' })
    expect([answer.status, await answer.text()]).toEqual([409, expect.stringContaining('is being loaded by a submit')])
    expect(await board.store.batches.find(String(loading))).not.toBeNull()
  })

  test('that is not there is said to be missing', async () => {
    const missing = await board.get('/batches/77')
    expect([missing.status, await missing.text()]).toEqual([404, expect.stringContaining('There is no batch 77')])
  })
})

describe('find', () => {
  test.each([
    ['row-2', ['Row 2, id row-2', 'title &lt;b&gt;', 'loud drums', '400 · invalid_parameters · bad filters']],
    ['row-8', ['Row 8, id row-8', 'repeated id']],
    [refOf('calm piano').fingerprint.slice(0, 12), ['calm piano', 'answered', '1 call', 'id <bdi>row-1</bdi>']],
    ['PIANO', ['Searches whose query contains it', 'calm piano']],
    [`spring ${HOSTILE}`, ['href="/batches/1"']],
    ['nowhere', ['Nothing has this id']],
    ["x' or '1'='1", ['Nothing has this id']],
  ])('%s', async (text, found) => {
    const html = await textOf(`/find?q=${encodeURIComponent(text)}`)
    for (const part of found) expect(html).toContain(part)
  })
})

test('find says when it shows only the latest searches', async () => {
  await released(
    board.store,
    Array.from({ length: 20 }, (_, index) => `bright bells ${index}`),
  )
  expect(await textOf('/find?q=bright')).not.toContain('The latest 20')
  await released(board.store, ['bright bells 20'])
  const html = await textOf('/find?q=bright')
  expect(html).toContain('The latest 20 are shown.')
  expect(html).not.toContain('bright bells 0<')
})

test('find shows the numbers of a row as they were written', async () => {
  const id = await board.store.batches.create(newBatch({ format: 'jsonl', columns: [], createdAt: Date.now() }))
  const text = '{"n":9007199254740993,"deep":{"price":1.10}}'
  await board.store.batches.addRows(id, [{ ...row(1, 'calm piano', 'exact'), row: text }], 1000)
  const html = await textOf('/find?q=exact')
  expect(html).toContain('<dd>9007199254740993</dd>')
  expect(html).toContain('1.10')
})

test('read-only: no buttons, and their requests are refused', async () => {
  await board[Symbol.asyncDispose]()
  await start(500, true)
  for (const path of ['/', '/dead-letters', `/batches/${batch}`]) {
    expect(await textOf(path)).not.toMatch(/method="post"/)
  }
  for (const path of ['/actions/pause', '/dead-letters/retry', `/batches/${batch}/cancel`])
    expect([path, (await board.post(path, { confirmed: 'yes' })).status]).toEqual([path, 403])
})

test('a page of another site cannot press a button', async () => {
  for (const path of ['/actions/pause', '/actions/resume', '/dead-letters/retry', `/batches/${batch}/cancel`])
    for (const headers of [{ origin: 'https://evil.example' }, { 'sec-fetch-site': 'cross-site' }])
      expect([path, (await board.post(path, { confirmed: 'yes' }, headers)).status]).toEqual([path, 403])
  expect(board.called).toEqual([])
})

function plainText(html: string): string {
  return html
    .replace(/<\/?bdi>/g, '')
    .replace(/<[^>]+>/g, ' ')
    .replace(/\s+/g, ' ')
}
