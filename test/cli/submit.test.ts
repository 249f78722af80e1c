import { execFileSync } from 'node:child_process'
import { closeSync, existsSync, openSync } from 'node:fs'
import { mkdtemp, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import type { DocumentBody } from '../../src/cli/documents.js'
import { openStore } from '../../src/store/open-store.js'
import { limitRate } from '../support/pauses.js'
import { CATALOG, type Desk, openDesk, QUERY, terminal } from './setup.js'

let desk: Desk
beforeEach(async () => {
  desk = await openDesk()
  await desk.file('films.csv', CATALOG)
})
afterEach(() => desk.close())

const SUBMIT = ['submit', 'films.csv', '--query', QUERY]
const EXPENSIVE = { env: { TRACKYARD_CONFIRM_ABOVE: '1' } }

async function batches(): Promise<readonly Record<string, unknown>[]> {
  return (await desk.json<{ batches: Record<string, unknown>[] }>(['status'])).batches
}

test('--json prints the whole plan, and searches are due', async () => {
  expect(await desk.json(SUBMIT)).toEqual({
    version: 1,
    kind: 'submit',
    batch: 1,
    name: 'films',
    rows: 4,
    accepted: 3,
    invalid: 1,
    searches: 2,
    new: 2,
    already_queued: 0,
    already_answered: 0,
    already_dead: 0,
    credits_needed: 2,
    invalid_reasons: [expect.stringMatching(/^line 5: /)],
    cap: null,
    continues: null,
    credits_remaining: 50_000,
    credits_missing: 0,
    credit_reserve: 0,
    due_elsewhere: 0,
    calls_per_minute: 6000,
    calls_per_day: null,
    days: 1,
    finish_at: expect.stringMatching(/Z$/),
    not_before: null,
    deadline: null,
    meets_deadline: null,
    paused: null,
    rate_limited_until: null,
    notes: [],
    warnings: [],
    example_queries: ['Harbor calm music', 'Chase tense music', 'Harbor calm music'],
  })
  expect(await batches()).toMatchObject([{ batch: 1, name: 'films', state: 'released', waiting: 3, invalid: 1 }])
})

test('the same file again needs no credits, before and after the work', async () => {
  await desk.json(SUBMIT)
  expect(await desk.json(SUBMIT)).toMatchObject({ new: 0, already_queued: 2, credits_needed: 0 })
  await desk.work()
  expect(await desk.json(SUBMIT)).toMatchObject({ new: 0, already_answered: 2, credits_needed: 0 })
  expect(desk.simulator.paid()).toBe(2)
})

test('the plan shows rows, reasons, cost, balance, rate and queries', async () => {
  const { code, stdout } = await desk.type([...SUBMIT, '--dry-run'])
  expect(code).toBe(0)
  expect(stdout).toMatch(/films: 4 rows/)
  expect(stdout).toMatch(/invalid +1 .*\n +line 5: /)
  expect(stdout).toMatch(/searches +2 +1 row repeats the search of another\n/)
  expect(stdout).toMatch(/credits needed +2\n/)
  expect(stdout).toMatch(/credits left +50,000\n/)
  expect(stdout).toMatch(/rate limit +6,000 calls a minute/)
  expect(stdout).toContain('Harbor calm music (limit 20)')
})

test('the plan names the columns that an export will replace', async () => {
  const stdin = 'title,trackyard_status, trackyard_bpm\nHarbor,tagged,90\n'
  const line = ['submit', '-', '--name', 'again', '--query', '{title} music', '--dry-run']
  const { stdout } = await desk.type(line, { stdin })
  expect(stdout).toMatch(
    /^Columns of an earlier export \(trackyard_status, trackyard_bpm\) are replaced in a CSV export\.$/m,
  )
})

test('the plan warns once per misspelt filter, which is sent as it is', async () => {
  const rows = ['A', 'B'].map((query) =>
    JSON.stringify({ query, filters: { moods: ['calm'], Genre: ['x'], year: 1999 } }),
  )
  const stdin = rows.join('\n')
  const line = ['submit', '-', '--name', 'night', '--filters', '{"min_bmp":90,"mood":"calm"}']
  const { stdout } = await desk.type([...line, '--dry-run'], { stdin })
  expect(stdout.match(/did you mean .*/g)?.sort()).toEqual(
    ['genres', 'min_bpm', 'moods'].map((name) => `did you mean ${name}? It is sent as it is.`),
  )
  const { warnings } = await desk.json<{ warnings: readonly string[] }>(line, { stdin })
  expect(warnings.join()).toContain('The API documents no filter "min_bmp": did you mean min_bpm?')
  await desk.work()
  expect(desk.simulator.paid()).toBe(2)
})

test('the plan names --id if rows repeat an id', async () => {
  await desk.file('albums.csv', 'id,track,title\nA,1,Harbor\nA,2,Dawn\nA,3,Chase\nB,4,\n')
  const planned = async (...more: readonly string[]) =>
    (await desk.json<DocumentBody<'submit'>>(['submit', 'albums.csv', '--query', '{title}', '--dry-run', ...more]))
      .warnings
  expect(await planned()).toEqual([
    '2 rows repeat the id of another row. If the column "id" is not unique, name another one with --id.',
  ])
  expect(await planned('--id', 'track')).toEqual([])
})

test('the plan says that row ids are missing, and names the column that may hold them', async () => {
  const notes = async (header: string) => {
    await desk.file('other.csv', `${header}\nV1,Harbor\n`)
    return (await desk.json<DocumentBody<'submit'>>(['submit', 'other.csv', '--query', '{title}', '--dry-run'])).notes
  }
  expect(await notes('video_id,title')).toEqual(['without row ids (is it "video_id"? --id "video_id")'])
  expect(await notes('trackId,title')).toEqual(['without row ids (is it "trackId"? --id "trackId")'])
  expect(await notes('paid,title')).toEqual(['without row ids'])
  expect(await notes('id,title')).toEqual([])
})

test('a name that two batches share is refused with both ids; an id, or no name, is not', async () => {
  await desk.json(SUBMIT)
  await desk.json(SUBMIT)
  for (const line of [
    ['wait', 'films'],
    ['cancel', 'films'],
    ['export', 'films'],
    ['status', 'films'],
  ]) {
    const { code, stderr } = await desk.type(line)
    expect([code, stderr]).toEqual([2, expect.stringContaining('2 batches are named "films": 2, 1. Pass an id')])
  }
  const { stdout } = await desk.type(['release', 'films', '--json'])
  expect(JSON.parse(stdout)).toMatchObject({ error: { code: 'ambiguous_batch' } })
  expect(await batches()).toMatchObject([{ state: 'released' }, { state: 'released' }])
  expect((await desk.type(['cancel', '1', '--yes'])).code).toBe(0)
  // A cancelled one has given up its name.
  expect((await desk.type(['status', 'films'])).code).toBe(0)
  expect((await desk.json<DocumentBody<'cancel'>>(['cancel', 'films', '--yes'])).batch).toBe(2)
})

test('the plan warns of a name that another batch has', async () => {
  const warnings = async () => (await desk.json<DocumentBody<'submit'>>([...SUBMIT, '--dry-run'])).warnings
  expect(await warnings()).toEqual([])
  await desk.json(SUBMIT)
  expect(await warnings()).toEqual(['Batch 2 is named "films", too: tell them apart by their ids.'])
  await desk.type(['cancel', 'films', '--yes'])
  expect(await warnings()).toEqual([])
  const numbered = await desk.json<DocumentBody<'submit'>>([...SUBMIT, '--name', '7', '--dry-run'])
  expect(numbered.warnings).toEqual([
    'Commands take "7" for the id of a batch: use the id of this one, or give it another name.',
  ])
})

test('the plan warns of limits and filters in rows that are not used', async () => {
  const row = { id: 1, query: 'calm', title: 'Dawn', limit: 3, filters: { genres: ['ambient'] } }
  await desk.file('own.jsonl', JSON.stringify(row))
  await desk.file('own.csv', 'query,limit\ncalm,3\n')
  const warningsOf = async (...line: readonly string[]) =>
    (await desk.json<DocumentBody<'submit'>>(['submit', ...line, '--dry-run'])).warnings
  expect(await warningsOf('own.jsonl')).toEqual([])
  const unused = (which: string) =>
    `The ${which} not used for the request: --limit and --filters are for every row. Only a JSON row without a template has its own.`
  expect(await warningsOf('own.jsonl', '--query', '{title}')).toEqual([unused('columns "limit", "filters" are')])
  expect(await warningsOf('own.csv')).toEqual([unused('column "limit" is')])
})

test('the plan says in one line how the catalog was read', async () => {
  await desk.file('list.tsv', 'My list of films\n\nid\ttitle\n1\t"Heroes" (live)\n')
  const { stdout } = await desk.type(['submit', 'list.tsv', '--query', '{title}', '--dry-run'])
  expect(stdout).toMatch(/^read as +tab-separated, no quoting, header on line 3$/m)
  expect(stdout).toContain('"Heroes" (live) (limit 20)')
  const named = await desk.type(['submit', 'list.tsv', '--query', '{title}', '--header-row', '3', '--dry-run'])
  expect(named.stdout).toBe(stdout)
  const plain = await desk.type([...SUBMIT, '--dry-run'])
  expect(plain.stdout).not.toContain('read as')
})

describe('values that mean "no value"', () => {
  const line = ['submit', 'nulls.csv', '--query', '{title}']
  beforeEach(() => desk.file('nulls.csv', 'id,title\n1,Harbor\n2,NULL\n'))
  const doubt = '1 value looks like "no value" and would be searched as words: NULL in {title} on line 3.'

  test('need confirmation, whatever they cost', async () => {
    const asked = await desk.type(line, { answer: 'n' })
    expect([asked.code, asked.stdout]).toEqual([4, expect.stringContaining(doubt)])
    expect((await desk.type(line, { answer: 'y' })).code).toBe(0)
    expect(await batches()).toMatchObject([{ name: 'nulls' }])
  })

  test('need --yes without a terminal, and nothing once they are answered', async () => {
    const refused = await desk.type(line)
    expect([refused.code, refused.stderr]).toEqual([
      4,
      expect.stringContaining(`${doubt} Cannot ask here: no terminal. Pass --yes`),
    ])
    expect(await batches()).toEqual([])
    expect((await desk.type([...line, '--yes'])).code).toBe(0)
    await desk.work()
    expect((await desk.type(line)).code).toBe(0)
    expect(desk.simulator.paid()).toBe(2)
  })
})

test('a resubmitted export costs nothing, also with --spreadsheet-safe', async () => {
  await desk.file('own.csv', '\uFEFFsep=;\n@id;-notes;title\n=1;+x;=Harbor\n-2;"a;\r";＋Alley\n')
  const line = ['--id', '@id', '--query', '{title} {-notes}', '--yes']
  expect(await desk.json(['submit', 'own.csv', ...line, '--json'])).toMatchObject({ new: 2 })
  await desk.work()
  for (const safe of [[], ['--spreadsheet-safe']]) {
    expect((await desk.type(['export', 'own', '--out', 'out.csv', ...safe])).code).toBe(0)
    const text = await readFile(join(desk.dir, 'out.csv'), 'utf8')
    const [mark, quote] = safe.length === 0 ? ['', ''] : ["'", "'"]
    expect(text).toMatch(`\uFEFFsep=;\n${mark}@id;${quote}-notes;title;trackyard_status`)
    expect(text).toContain(`\n-2;"a;\r";${mark}＋Alley;tagged`)
    const again = await desk.json(['submit', 'out.csv', ...line, '--dry-run', '--json'])
    expect(again).toMatchObject({ rows: 2, invalid: 0, new: 0, already_answered: 2 })
  }
  const refused = await desk.type(['export', 'own', '--format', 'jsonl', '--spreadsheet-safe'])
  expect([refused.code, refused.stderr]).toEqual([2, expect.stringContaining('Add --format csv')])
})

describe('--continue', () => {
  const corrected = 'id,title,mood\nC,Harbor,calm\nB,Chase,wild\nE,Dawn,calm\nD,Dusk,calm\n'

  test('asks what is new or changed; one export has the order of the new catalog', async () => {
    await desk.json(SUBMIT)
    await desk.work()
    expect(desk.simulator.paid()).toBe(2)
    await desk.file('again.csv', corrected)
    const line = ['submit', 'again.csv', '--continue', 'films']
    const { stdout } = await desk.type([...line, '--dry-run'])
    expect(stdout).toMatch(/^continues +batch 1 \(films\): 1 new, 2 changed, 1 gone, 1 unchanged$/m)
    expect(await desk.json(line)).toMatchObject({
      batch: 3,
      credits_needed: 3,
      continues: { batch: 1, new: 1, changed: 2, gone: 1, unchanged: 1 },
    })
    await desk.work()
    expect(desk.simulator.paid()).toBe(5)
    // The name is that of the latest, although the earlier one is done.
    expect((await desk.type(['export', 'films', '--out', 'out.csv'])).code).toBe(0)
    const text = await readFile(join(desk.dir, 'out.csv'), 'utf8')
    expect(text.split('\n').map((each) => each.slice(0, 1))).toEqual(['i', 'C', 'B', 'E', 'D', ''])
    expect(await batches()).toMatchObject([
      { batch: 3, tagged: 4, waiting: 0 },
      { batch: 1, tagged: 3 },
    ])
  })

  test('takes the place of a batch that is not done: what is gone is not asked', async () => {
    await desk.json(SUBMIT)
    await desk.file('again.csv', 'id,title,mood\nB,Chase,tense\n')
    const { stderr } = await desk.type(['submit', 'again.csv', '--continue', '1'])
    expect(stderr).toContain('Released as batch 2 (films). It takes the place of batch 1: export 2 from now on.')
    await desk.work()
    expect(desk.simulator.calls().length).toBe(1)
    expect(await batches()).toMatchObject([
      { batch: 2, tagged: 1 },
      { batch: 1, state: 'cancelled', cancelled: 2 },
    ])
    const lost = await desk.type(['submit', 'again.csv', '--continue', 'nobody'])
    expect([lost.code, lost.stderr]).toEqual([2, expect.stringContaining('No batch has the id or name "nobody"')])
  })

  test('asks as the other batch did: its id column, limit, filters and priority are the defaults', async () => {
    await desk.file('skus.csv', 'sku,title,mood\nA,Harbor,calm\nB,Chase,tense\n')
    const own = ['--id', 'sku', '--limit', '5', '--filters', '{"genres":["ambient"]}', '--priority', 'high']
    await desk.json(['submit', 'skus.csv', '--query', QUERY, ...own])
    await desk.file('grown.csv', 'sku,title,mood\nC,Dawn,soft\nB,Chase,tense\nA,Harbor,calm\n')
    const changes = async (...more: readonly string[]) =>
      (await desk.json<DocumentBody<'submit'>>(['submit', 'grown.csv', '--continue', 'skus', '--dry-run', ...more]))
        .continues
    expect(await changes()).toMatchObject({ new: 1, changed: 0, gone: 0, unchanged: 2 })
    expect(await changes('--limit', '6')).toMatchObject({ new: 1, changed: 2, unchanged: 0 })
    expect(await changes('--filters', '{}')).toMatchObject({ changed: 2 })
    await desk.file('other.csv', 'number,title,mood\nC,Dawn,soft\n')
    const lost = await desk.type(['submit', 'other.csv', '--continue', 'skus'])
    const said = 'Batch 1, which this one continues, names the column "sku", which the catalog does not have.'
    expect([lost.code, lost.stderr]).toEqual([2, expect.stringContaining(said)])
    // And so does one that continues the continued one.
    await desk.json(['submit', 'grown.csv', '--continue', 'skus'])
    const again = ['submit', 'grown.csv', '--continue', 'skus', '--dry-run', '--json']
    expect(JSON.parse((await desk.type(again)).stdout)).toMatchObject({ continues: { batch: 5, unchanged: 3 } })
    await desk.work()
    expect(desk.simulator.calls().map(({ request }) => request)).toEqual(
      Array.from({ length: 3 }, () => expect.objectContaining({ limit: 5, filters: { genres: ['ambient'] } })),
    )
  })

  test('with --not-before the other batch goes on until then', async () => {
    await desk.json(SUBMIT)
    await desk.file('again.csv', 'id,title,mood\nB,Chase,tense\n')
    const line = ['submit', 'again.csv', '--continue', 'films', '--not-before', '2099-01-01 07:00']
    const { code, stderr } = await desk.type(line)
    expect([code, stderr]).toEqual([0, expect.stringContaining('Until then, batch 1 continues.')])
    expect((await desk.type(['show', 'B', '--batch', 'films'])).stdout).toMatch(/^batch +1 \(films\)$/m)
    const early = await desk.type(['submit', 'films.csv', '--continue', '2'])
    expect([early.code, early.stderr]).toEqual([
      4,
      expect.stringMatching(/Batch 2 is not released yet\. Cancel it and submit the new catalog/),
    ])
    expect(await batches()).toMatchObject([
      { batch: 1, state: 'released' },
      { batch: 2, state: 'loading' },
    ])
    expect((await desk.type(['release', '2'])).code).toBe(0)
    expect(await batches()).toMatchObject([
      { batch: 2, state: 'released' },
      { batch: 1, state: 'cancelled' },
    ])
    await desk.work()
    expect(desk.simulator.calls()).toHaveLength(1)
  })
})

test('a JSONL export can be submitted again and costs nothing', async () => {
  const rows = ['{"id":9007199254740993,"title":"Harbor","n":1.10}', '{"title":7,"note":",\\"row\\":1"}', 'no JSON']
  await desk.file('own.jsonl', rows.join('\n'))
  const line = ['--query', '{title}', '--yes']
  expect(await desk.json(['submit', 'own.jsonl', ...line])).toMatchObject({ rows: 3, invalid: 1, new: 2 })
  await desk.work()
  expect((await desk.type(['export', 'own', '--out', 'out.jsonl'])).code).toBe(0)
  const { stdout } = await desk.type(['submit', 'out.jsonl', ...line, '--dry-run'])
  expect(stdout).toMatch(/^read as +the rows in an export$/m)
  const again = await desk.json(['submit', 'out.jsonl', ...line, '--continue', 'own'])
  expect(again).toMatchObject({ rows: 3, invalid: 1, new: 0, already_answered: 2 })
  expect((await desk.type(['export', 'own', '--out', 'twice.jsonl'])).code).toBe(0)
  const rowsOf = async (name: string) =>
    (await readFile(join(desk.dir, name), 'utf8')).split('\n').map((each) => each.replace(/.*?,"row":/, ''))
  expect(await rowsOf('twice.jsonl')).toEqual(await rowsOf('out.jsonl'))
})

test('the deadline of a plan counts the rate limit, and is open during a pause or without credits', async () => {
  const planned = (deadline: string, env = {}) => desk.json([...SUBMIT, '--dry-run', '--deadline', deadline], { env })
  const store = await openStore({ path: join(desk.dataDir, 'trackyard.db') })
  const now = Date.now()
  const at = (minutes: number) => new Date(now + minutes * 60_000).toISOString()
  try {
    await planned(at(60))
    await limitRate(store, now + 120 * 60_000, now)
    expect(await planned(at(60))).toMatchObject({ meets_deadline: false, rate_limited_until: at(120) })
    expect(await planned(at(150))).toMatchObject({ meets_deadline: true })
    const short = await planned(at(150), { TRACKYARD_CREDIT_RESERVE: '49999' })
    expect(short).toMatchObject({ meets_deadline: null, credits_missing: 1 })
    await store.pauses.add({ cause: 'operator', since: now, detail: '' })
    expect(await planned(at(150))).toMatchObject({ meets_deadline: null, paused: 'operator' })
    expect(await planned(at(60))).toMatchObject({ meets_deadline: false })
  } finally {
    await store.close()
  }
})

test('the plan says that the queue is paused, also without Redis', async () => {
  const env = { TRACKYARD_REDIS_URL: 'redis://127.0.0.1:1' }
  expect((await desk.type(['pause'], { env })).code).toBe(0)
  const { stdout } = await desk.type([...SUBMIT, '--dry-run'], { env })
  expect(stdout).toMatch(/Paused by hand since \S+\. The finish time counts from when it resumes\./)
})

test('--dry-run keeps no batch and makes no call', async () => {
  expect(await desk.json([...SUBMIT, '--dry-run'])).toMatchObject({ batch: null, rows: 4, credits_needed: 2 })
  expect(await batches()).toEqual([])
  expect(desk.simulator.calls()).toEqual([])
})

test('a plan needs no Redis, no key and no API', async () => {
  const env = {
    TRACKYARD_API_KEY: '',
    TRACKYARD_REDIS_URL: 'redis://127.0.0.1:1',
    TRACKYARD_API_URL: 'http://127.0.0.1:1',
  }
  const { code, stdout } = await desk.type([...SUBMIT, '--dry-run'], { env })
  expect(code).toBe(0)
  expect(stdout).toMatch(/credits left +unknown \(no API key is set\)/)
  expect(stdout).toMatch(/rate limit +5 calls a minute \(the lowest tier's, until the account is known\)\n/)
  const own = await desk.type([...SUBMIT, '--dry-run'], { env: { ...env, TRACKYARD_RATE_LIMIT: '7' } })
  expect(own.stdout).toMatch(/rate limit +7 calls a minute\n/)
})

test('without Redis the batch is still released, with a message', async () => {
  const { code, stderr } = await desk.type(SUBMIT, { env: { TRACKYARD_REDIS_URL: 'redis://127.0.0.1:1' } })
  expect(stderr).toMatch(/Nothing is queued yet\. Redis at /)
  expect(code).toBe(0)
  expect(await batches()).toMatchObject([{ state: 'released', waiting: 3 }])
})

describe('above TRACKYARD_CONFIRM_ABOVE', () => {
  test('without a terminal it is refused with 4 and the batch is dropped', async () => {
    const { code, stderr } = await desk.type(SUBMIT, EXPENSIVE)
    expect(code).toBe(4)
    expect(stderr).toMatch(/2 credits.*--yes/)
    expect(await batches()).toEqual([])
  })

  test('on a terminal y releases', async () => {
    const { code, stderr } = await desk.type(SUBMIT, { ...EXPENSIVE, answer: 'y' })
    expect(stderr).toContain('spend up to 2 credits? [y/N]')
    expect(code).toBe(0)
    expect(await batches()).toMatchObject([{ state: 'released' }])
  })

  test.each(['n', '', 'yess'])('on a terminal %j drops the batch and exits with 4', async (answer) => {
    const { code, stderr } = await desk.type(SUBMIT, { ...EXPENSIVE, answer })
    expect(code).toBe(4)
    expect(stderr).toContain('nothing was spent')
    expect(await batches()).toEqual([])
  })

  test('--yes and a cap below the threshold release without asking', async () => {
    expect((await desk.type([...SUBMIT, '--first', '1'], EXPENSIVE)).code).toBe(0)
    expect((await desk.type([...SUBMIT, '--yes'], EXPENSIVE)).code).toBe(0)
  })
})

test('--first withholds the rest until release', async () => {
  const { code: submitted, stderr } = await desk.type([...SUBMIT, '--first', '1', '--json'])
  expect([submitted, stderr]).toEqual([0, expect.stringContaining('withheld until `trackyard-batch release 1 --all`')])
  await desk.work()
  expect((await desk.type(['status'])).stdout).toContain('Run `trackyard-batch release 1` to continue')
  expect(desk.simulator.paid()).toBe(1)
  expect(await batches()).toMatchObject([{ tagged: 2, withheld: 1 }])
  const { code, stdout } = await desk.type(['release', 'films'])
  expect(code).toBe(0)
  expect(stdout).toMatch(/1 waiting/)
  await desk.work()
  expect(desk.simulator.paid()).toBe(2)
})

test('- reads standard input and names the batch by the time', async () => {
  const submitted = await desk.json(['submit', '-'], { stdin: '{"query":"one"}\n{"query":"two"}\n' })
  expect(submitted).toMatchObject({ rows: 2, searches: 2 })
  expect(submitted.name).toMatch(/^stdin-\d{4}-\d{2}-\d{2}T\d{6}$/)
})

test.each(['a named pipe', 'an open file'])(
  '%s is named by the time and exported to the current directory',
  async (kind) => {
    const away = await mkdtemp(join(desk.dir, 'away-'))
    const path = join(away, 'films.csv')
    if (kind === 'a named pipe') execFileSync('/usr/bin/mkfifo', [path])
    const written = writeFile(path, CATALOG)
    if (kind !== 'a named pipe') await written
    const fd = kind === 'a named pipe' ? null : openSync(path, 'r')
    const { name } = await desk.json(['submit', fd === null ? path : `/dev/fd/${fd}`, '--query', QUERY])
    await written
    if (fd !== null) closeSync(fd)
    expect(name).toMatch(/^pipe-\d{4}-\d{2}-\d{2}T\d{6}$/)
    expect(await desk.json(['export'])).toMatchObject({ path: join(desk.dir, `${name}.tagged.csv`) })
  },
)

test('Ctrl-C while waiting for a pipe drops the batch', async () => {
  const stopping = new AbortController()
  const stdin = new PassThrough()
  stdin.write(CATALOG)
  const typed = desk.type(['submit', '-', '--query', QUERY], { stdin, signal: stopping.signal })
  setImmediate(() => stopping.abort(new Error('Interrupted.')))
  const { code, stderr } = await typed
  expect(code).toBe(1)
  expect(stderr).toContain('Interrupted: batch dropped, nothing was spent.')
  expect(await batches()).toEqual([])
})

test('Ctrl-C at the question drops the batch', async () => {
  const stopping = new AbortController()
  const { code, stderr } = await desk.type(SUBMIT, {
    ...EXPENSIVE,
    stdin: terminal(new PassThrough()),
    signal: stopping.signal,
    answer: '',
    onStderr: (said) => {
      if (said.endsWith('[y/N] ')) stopping.abort(new Error('Interrupted.'))
    },
  })
  expect(code).toBe(1)
  expect(stderr).toContain('Interrupted: batch dropped')
  expect(await batches()).toEqual([])
})

test('--wait waits for the batch and exits with the code of wait', async () => {
  await desk.json(SUBMIT)
  await desk.work()
  const { code, stderr } = await desk.type([...SUBMIT, '--wait'])
  expect(code).toBe(6)
  expect(stderr).toMatch(
    /Batch 2 \(films\): 3 of 4 rows tagged, 1 invalid, \d credits? used, in under a minute\. 1 row has no answer \(1 invalid\)\./,
  )
  expect(await desk.json([...SUBMIT, '--wait', '--allow-failures'])).toMatchObject({
    batch: 3,
    wait: { outcome: 'done', progress: { state: 'done', tagged: 3 } },
  })
  expect((await desk.type([...SUBMIT, '--allow-failures'])).stderr).toContain('add --wait')
})

describe('an unusable submit exits with 2 and leaves nothing behind', () => {
  test.each([
    ['a missing file', ['submit', 'nowhere.csv', '--query', QUERY], /nowhere\.csv: .*no such file/],
    ['a missing column', ['submit', 'films.csv', '--query', '{titel}'], /Did you mean "title"/],
    ['filters that are not an object', [...SUBMIT, '--filters', '[1]'], /JSON object/],
    ['a limit out of range', [...SUBMIT, '--limit', '101'], /from 1 to 100/],
    ['no file at all', ['submit'], /Missing required argument 'file'/],
    ['an unknown priority', [...SUBMIT, '--priority', 'urgent'], /high, normal, low/],
  ])('%s', async (_, line, said) => {
    const { code, stdout, stderr } = await desk.type(line)
    expect(stderr).toMatch(said)
    expect([code, stdout]).toEqual([2, ''])
    if (existsSync(desk.dataDir)) expect(await batches()).toEqual([])
  })
})
