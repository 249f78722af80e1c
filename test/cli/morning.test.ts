import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { appendFile, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { PassThrough, Writable } from 'node:stream'
import { stripVTControlCharacters } from 'node:util'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import type { StatusReport } from '../../src/batches/status-report.js'
import type { DocumentBody } from '../../src/cli/documents.js'
import { SIMULATOR_KEY } from '../../src/simulator/options.js'
import { CATALOG, type Desk, openDesk, QUERY, terminal } from './setup.js'

/** The commands of the morning after: status, wait, export, show. */
let desk: Desk
beforeEach(async () => {
  desk = await openDesk()
  await desk.file('films.csv', CATALOG)
})
afterEach(() => desk.close())

const submit = (...more: readonly string[]) => desk.json(['submit', 'films.csv', '--query', QUERY, ...more])

describe('status', () => {
  test('--json has the documented keys', async () => {
    await submit()
    const report = await desk.json<StatusReport>(['status'])
    expect(Object.keys(report)).toEqual([
      ...['version', 'kind', 'queue', 'credits', 'calls_per_minute', 'finish_at', 'notifications'],
      ...['timeline', 'workers', 'batches'],
    ])
    expect(report.queue).toMatchObject({ state: 'no_workers', waiting: 2, active: 0, delayed: 0, dead_letters: 0 })
    expect(report.batches[0]).toEqual({
      batch: 1,
      name: 'films',
      state: 'released',
      rows: 4,
      tagged: 0,
      no_match: 0,
      waiting: 3,
      withheld: 0,
      dead: 0,
      invalid: 1,
      cancelled: 0,
      credits_spent: 0,
      credits_needed: 2,
      calls_last_minute: 0,
      created_at: expect.stringMatching(/^\d{4}-/),
      completed_at: null,
      not_before: null,
      finish_at: null,
      deadline: null,
      meets_deadline: null,
    })
  })

  test('--unknown lists every call that may have cost a credit for nothing', async () => {
    desk.simulator.fail({ match: 'Chase', does: 'cut' })
    await submit()
    await desk.work()
    const { calls } = await desk.json<DocumentBody<'unknown_outcomes'>>(['status', '--unknown'])
    expect(calls.map((call) => call.query)).toEqual(['Chase tense music'])
    expect((await desk.type(['status', '--unknown'])).stdout).toMatch(/^1 call of unknown outcome.*\n.*\n.*Chase tense/)
    expect((await desk.type(['status', 'films', '--unknown'])).code).toBe(2)
    expect((await desk.type(['status'])).stdout).toMatch(
      /unknown outcome: [0-9a-f]{12} {2}1 call, at \d\d:\d\d:\d\d {2}Chase tense music\n {2}Once you have checked them, hide them: `trackyard-batch status --unknown --seen`\n\n/,
    )
    expect((await desk.type(['status', '--seen'])).code).toBe(2)
    expect((await desk.type(['status', '--unknown', '--seen'])).stdout).toContain('Chase tense')
    const later = (await desk.type(['status'])).stdout
    expect(later).not.toContain('unknown outcome')
    // A batch is charged for what may be paid for; spent is what is.
    expect(later).toMatch(/ left, 1 spent\n[\s\S]* charged {2}[\s\S]* films {2}[^\n]* 2 {2}/)
    const { credits, batches } = await desk.json<StatusReport>(['status'])
    expect(credits).toMatchObject({ spent: 1, unknown_outcomes: 1, unknown_unseen: 0 })
    expect(batches).toMatchObject([{ credits_spent: 2 }])
  })

  test('without a terminal it prints the reason, then numbers, no colours', async () => {
    await submit()
    const { code, stdout, stderr } = await desk.type(['status'])
    expect(code).toBe(0)
    expect(stdout).toMatch(/^No worker is running; 2 searches due/)
    expect(stdout).toMatch(/batch +name +state +rows/)
    expect(stdout + stderr).not.toContain('\u001B')
    expect(stderr).toContain(`data directory: ${desk.dataDir}`)
  })

  test.each([
    [{}, true],
    [{ NO_COLOR: '1' }, false],
  ])('a terminal gets colours unless NO_COLOR is set: %j', async (env, coloured) => {
    const stdout = terminal(new PassThrough())
    const shown: Buffer[] = []
    stdout.on('data', (part: Buffer) => shown.push(part))
    await submit()
    expect((await desk.type(['status'], { stdout, env })).code).toBe(0)
    expect(Buffer.concat(shown).toString().includes('\u001B[')).toBe(coloured)
  })

  test('without Redis it reports from the store and exits with 3', async () => {
    await submit()
    const { code, stdout, stderr } = await desk.type(['status', '--json'], {
      env: { TRACKYARD_REDIS_URL: 'redis://127.0.0.1:1' },
    })
    expect(code).toBe(3)
    expect(JSON.parse(stdout)).toMatchObject({
      queue: { reason: expect.stringMatching(/^Redis at .* does not answer\. .* unknown\. \d searches due\.$/) },
      batches: [{ waiting: 3 }],
    })
    expect(stderr).toMatch(/^Redis at .* does not answer/)
    const human = await desk.type(['status'], { env: { TRACKYARD_REDIS_URL: 'redis://127.0.0.1:1' } })
    expect(human.stdout).toMatch(/^Redis at .* The state of the workers is unknown/)
  })

  test('--watch on a terminal never has more lines than it, and the sentence stays', async () => {
    await submit()
    const shown = async (rows: number): Promise<string[]> => {
      const stopping = new AbortController()
      const stdout = Object.assign(terminal(new PassThrough()), { rows })
      let text = ''
      stdout.on('data', (part: Buffer) => {
        text += String(part)
        if (text.includes('\u001B[J')) stopping.abort(new Error('Interrupted.'))
      })
      await desk.type(['status', '--watch'], { stdout, signal: stopping.signal, env: { NO_COLOR: '1' } })
      return stripVTControlCharacters(text).split('\n')
    }
    const whole = await shown(24)
    expect(whole.at(-2)).toMatch(/^ *1 +films/)
    const cut = await shown(6)
    expect(cut).toHaveLength(6)
    expect(cut.slice(0, 4)).toEqual(whole.slice(0, 4))
    expect(cut.slice(4)).toEqual([`… ${whole.length - 5} more lines`, ''])
  })

  test('--watch prints lines without a terminal, until Ctrl-C', async () => {
    await submit()
    const stopping = new AbortController()
    const stdout = new PassThrough()
    stdout.once('data', () => stopping.abort(new Error('Interrupted.')))
    const { code } = await desk.type(['status', '--watch'], { stdout, signal: stopping.signal })
    expect(code).toBe(0)
  })
})

describe('wait', () => {
  test('0 when every row has an answer', async () => {
    await desk.file('films.csv', CATALOG.replace('D,,', 'D,Dawn,calm'))
    await submit()
    await desk.work()
    const { code, stderr } = await desk.type(['wait'])
    expect(code).toBe(0)
    expect((await desk.type(['dead-letters'])).stdout).toBe('No dead letters.\n')
    expect(stderr).toMatch(/4 of 4 rows tagged, 3 credits used, in under a minute\. Next: trackyard-batch export 1/)
  })

  test('6 when done, but rows are dead or invalid; --allow-failures accepts as many as it says', async () => {
    desk.simulator.fail({ match: 'Chase', does: { status: 403 } })
    await submit()
    await desk.work()
    const { code, stderr } = await desk.type(['wait'])
    expect(code).toBe(6)
    expect(stderr).toMatch(/2 rows have no answer \(1 dead, 1 invalid\)\. See `trackyard-batch dead-letters`/)
    const { stdout } = await desk.type(['wait', '--json'])
    expect(JSON.parse(stdout)).toMatchObject({
      outcome: 'rows_without_answer',
      progress: { dead: 1, invalid: 1 },
      error: { code: 'rows_without_answer', hint: expect.stringContaining('--allow-failures') },
    })
    const allowing = async (...share: readonly string[]) =>
      (await desk.type(['wait', 'films', '--allow-failures', ...share])).code
    expect([await allowing(), await allowing('50%'), await allowing('49.9%')]).toEqual([0, 0, 6])
    // Taken as a share, the id of a batch would leave `wait` with the latest one.
    expect((await desk.type(['wait', '--allow-failures', '100'])).code).toBe(2)
    expect((await desk.type(['wait', '--allow-failures', 'films'])).stderr).toMatch(/Expected a percentage such as 2%/)
  })

  test('without dead letters, invalid rows are named where somebody looks for them', async () => {
    await submit()
    const { stdout } = await desk.type(['dead-letters'])
    expect(stdout).toMatch(
      /^No dead letters\. 1 row of batch 1 is invalid: `trackyard-batch report 1` lists the reasons/,
    )
    expect((await desk.type(['dead-letters', '--status', '400'])).stdout).toBe('No dead letter matches.\n')
  })

  test('6 when the batch was cancelled', async () => {
    await submit()
    await desk.type(['cancel', 'films'])
    const { code, stderr } = await desk.type(['wait'])
    expect([code, stderr]).toEqual([6, expect.stringMatching(/no answer \(1 invalid, 3 cancelled\)/)])
    const exported = await desk.type(['export'])
    expect(exported.stderr).toContain(
      'trackyard_status in the export says which, trackyard_error why rows are dead or invalid.',
    )
    expect((await desk.type(['export', '--format', 'jsonl'])).stderr).toContain(
      '; status in the export says which, error',
    )
  })

  test('--json --follow prints a status at each change, then how it ended', async () => {
    await submit()
    const following = desk.type(['wait', '--json', '--follow'])
    await desk.work()
    const { code, stdout } = await following
    const documents: readonly { kind: string }[] = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line))
    expect(code).toBe(6)
    expect(new Set(documents.map(({ kind }) => kind))).toEqual(new Set(['status', 'wait']))
    expect(documents.at(-1)).toMatchObject({
      kind: 'wait',
      progress: { tagged: 3 },
      error: { code: expect.anything() },
    })
    expect((await desk.type(['wait', '--follow'])).code).toBe(2)
  })

  test('4 when only withheld rows remain', async () => {
    await submit('--first', '1')
    await desk.work()
    const { code, stderr } = await desk.type(['wait', 'films'])
    expect(code).toBe(4)
    expect(stderr).toContain('`trackyard-batch release 1`')
  })

  test('5 when timed out, with the reason why nothing moves', async () => {
    await submit('--max-credits', '1')
    const { code, stderr, stdout } = await desk.type(['wait', '--timeout', '0', '--json'])
    expect(code).toBe(5)
    expect(JSON.parse(stdout)).toMatchObject({ progress: { waiting: 2, withheld: 1 } })
    expect(stderr).toMatch(/no worker is running/i)
    expect(stderr).toMatch(
      /Stopped waiting after 0 s; nothing was changed\. Batch 1 .* No worker is running; .* Wait again with `trackyard-batch wait 1`/,
    )
    expect(stderr).not.toContain('work continues')
  })

  test('5 at Ctrl-C; nothing was changed', async () => {
    await submit()
    const stopping = new AbortController()
    const { code, stderr } = await desk.type(['wait'], {
      signal: stopping.signal,
      onStderr: () => stopping.abort(new Error('Interrupted.')),
    })
    expect(code).toBe(5)
    expect(stderr).toMatch(/Interrupted; nothing was changed\./)
  })

  test('nothing goes to stdout', async () => {
    await submit()
    expect((await desk.type(['wait', '--timeout', '0'])).stdout).toBe('')
  })
})

describe('export', () => {
  test('stands beside the catalog, every row in its order, and the summary counts by status', async () => {
    await submit()
    await desk.work()
    const { code, stdout, stderr } = await desk.type(['export'])
    expect([code, stdout]).toEqual([0, ''])
    expect(stderr).toContain(`4 rows to ${join(desk.dir, 'films.tagged.csv')} (3 tagged, 1 invalid).`)
    const [head, ...rows] = (await readFile(join(desk.dir, 'films.tagged.csv'), 'utf8')).trimEnd().split('\n')
    expect(head).toMatch(/^id,title,mood,trackyard_status,trackyard_genre,/)
    expect(rows.map((row) => row.split(',').slice(0, 4).join())).toEqual([
      'A,Harbor,calm,tagged',
      'B,Chase,tense,tagged',
      'C,Harbor,calm,tagged',
      'D,,,invalid',
    ])
  })

  test('--format jsonl --out - writes the rows to stdout and nothing else', async () => {
    await submit()
    const { code, stdout } = await desk.type(['export', '--format', 'jsonl', '--out', '-'])
    expect(code).toBe(0)
    const rows = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line))
    expect(rows.map(({ position, id, status }) => [position, id, status])).toEqual([
      [1, 'A', 'waiting'],
      [2, 'B', 'waiting'],
      [3, 'C', 'waiting'],
      [4, 'D', 'invalid'],
    ])
  })

  test('a reader that has seen enough (| head) is no error', async () => {
    await submit()
    const closed = new Writable({
      write: (_chunk, _encoding, done) => done(Object.assign(new Error('write EPIPE'), { code: 'EPIPE' })),
    })
    const { code, stderr } = await desk.type(['export', '--out', '-'], { stdout: closed })
    expect(code).toBe(0)
    expect(stderr).not.toMatch(/EPIPE|error/i)
  })

  test('a reader of --out that has seen enough has not got the whole', async () => {
    // More than a pipe holds.
    const lines = Array.from({ length: 3000 }, (_, n) => `r${n},harbor at night ${n},calm`)
    await desk.file('films.csv', `id,title,mood\n${lines.join('\n')}\n`)
    await submit('--yes')
    const pipe = join(desk.dir, 'rows')
    execFileSync('/usr/bin/mkfifo', [pipe])
    const closed = once(spawn('sh', ['-c', 'exec 3< "$0"; exec 3<&-', pipe]), 'close')
    const { code, stderr } = await desk.type(['export', '--out', pipe])
    await closed
    expect([code, stderr]).toEqual([
      3,
      expect.stringContaining(`${pipe}: its reader closed the pipe before the last row`),
    ])
  })

  test('a byte order mark of the catalog is remembered until its export', async () => {
    await desk.file('films.csv', `\uFEFF${CATALOG}`)
    await submit()
    expect((await desk.type(['export'])).code).toBe(0)
    expect(await readFile(join(desk.dir, 'films.tagged.csv'), 'utf8')).toMatch(/^\uFEFFid,title,mood,/)
  })

  test('of another batch of the same catalog goes to a file of its own, and so does its report', async () => {
    const films = await desk.file('films.csv', CATALOG)
    const submitted = (name: string, ...more: string[]) =>
      desk.json(['submit', films, '--query', QUERY, '--name', name, '--yes', ...more])
    const filesOf = async (id: string) => {
      const { stderr } = await desk.type(['export', id, '--report'])
      return Array.from(stderr.matchAll(/\/(films\.[^/ ]*?)\.?(?=\s)/g), ([, file]) => file)
    }
    const named = (start: string) => [`${start}.tagged.csv`, `${start}.report.html`]
    await submitted('films')
    await submitted('calm')
    expect([await filesOf('1'), await filesOf('2')]).toEqual([named('films'), named('films.calm')])
    await desk.work()
    await submitted('films')
    expect([await filesOf('1'), await filesOf('3')]).toEqual([named('films.1'), named('films.3')])
    await submitted('calm', '--continue', '2')
    await submitted('calm', '--continue', '4')
    expect([await filesOf('2'), await filesOf('4')]).toEqual([named('films.calm.2'), named('films.calm.4')])
    expect(await filesOf('5')).toEqual(named('films.calm'))
  })

  test('and so it does where another catalog has the name of catalog and batch', async () => {
    await submit('--name', 'calm')
    await desk.json(['submit', await desk.file('films.calm.csv', CATALOG), '--query', QUERY])
    for (const id of ['1', '2'])
      expect((await desk.type(['export', id])).stderr).toContain(`rows to ${desk.dir}/films.calm.${id}.tagged.csv`)
  })

  test('the catalog of no batch is ever overwritten', async () => {
    await submit()
    expect((await desk.type(['export'])).code).toBe(0)
    expect((await desk.type(['export'])).code).toBe(0)
    const again = ['submit', 'films.tagged.csv', '--query', QUERY, '--name', 'again']
    await desk.json(again)
    for (const [id, ...out] of [['2', '--out', 'films.csv'], ['2', '--out', 'films.tagged.csv'], ['1']]) {
      const { code, stderr } = await desk.type(['export', String(id), ...out])
      expect([code, stderr]).toEqual([2, expect.stringMatching(/catalog of batch . .* never overwritten.* --out/)])
    }
  })

  test.each(['export', 'report'])('%s --out does not take the store for a file to replace', async (command) => {
    await submit()
    for (const name of ['trackyard.db', 'trackyard.db-wal']) {
      await appendFile(join(desk.dataDir, name), '')
      const { code, stderr } = await desk.type([command, '--out', join(desk.dataDir, name)])
      expect([code, stderr]).toEqual([
        2,
        expect.stringMatching(/belongs to a database and is never overwritten.* --out/),
      ])
    }
    expect((await desk.type(['export'])).code).toBe(0)
  })

  test('a file that the command has not written stays, unless --out names it', async () => {
    await submit()
    await desk.file('films.tagged.csv', 'id,tag\nA,mine\n')
    await desk.file('films.report.html', '<!doctype html><p>mine')
    for (const what of ['export', 'report']) {
      const { code, stderr } = await desk.type([what])
      expect([code, stderr]).toEqual([
        2,
        expect.stringMatching(/ does not look like an? (export|report) of this program.* --out\.$/m),
      ])
    }
    expect((await desk.type(['export', '--out', 'films.tagged.csv'])).code).toBe(0)
  })

  test.each(['/dev/null', '-'])('the report of an export to %s has its default name', async (out) => {
    await submit()
    const { code, stderr } = await desk.type(['export', '--out', out, '--report'])
    expect([code, stderr]).toEqual([0, expect.stringContaining(`: ${join(desk.dir, 'films.report.html')}\n`)])
    expect((await desk.type(['report'])).code).toBe(0)
  })
})

describe('show', () => {
  test('by own id: row, search, calls, answer and tags', async () => {
    await submit()
    await desk.work()
    const { code, stdout } = await desk.type(['show', 'B'])
    expect(code).toBe(0)
    for (const said of [/row +2, id B/, /status +tagged/, /query +Chase tense music/, /answered +200/, /genre +\w/]) {
      expect(stdout).toMatch(said)
    }
  })

  test('--json by position, and the same search by the beginning of its fingerprint with all its rows', async () => {
    await submit()
    await desk.work()
    const byPosition = await desk.json<DocumentBody<'show'>>(['show', '1'])
    expect(byPosition).toMatchObject({
      row: { batch: 1, position: 1, id: 'A', status: 'tagged', content: ['A', 'Harbor', 'calm'] },
      search: { request: { query: 'Harbor calm music', limit: 20, offset: 0 }, state: 'answered' },
    })
    const bySearch = await desk.json<DocumentBody<'show'>>(['show', byPosition.search?.search.slice(0, 10) ?? ''])
    expect(bySearch.row).toBeNull()
    expect(bySearch.search?.calls).toHaveLength(1)
    expect(bySearch.search?.rows).toMatchObject([{ id: 'A' }, { id: 'C' }])
  })

  test('--json has the digits of the row as written', async () => {
    const row = '{"id":12345678901234567890,"title":"x","n":[1.10,-0,1e400]}'
    await desk.file('films.jsonl', `${row}\n`)
    await desk.json(['submit', 'films.jsonl', '--query', '{title}'])
    const { stdout } = await desk.type(['show', '12345678901234567890', '--json'])
    expect(stdout.replace(/\s/g, '')).toContain(`"content":${row}`)
  })

  test('an id may begin with a dash', async () => {
    await desk.file('films.csv', 'id,title,mood\n-UGmle,Harbor,calm\n--hQ3x,Chase,tense\n-h,Dawn,calm\n')
    await submit()
    for (const words of [[], ['--batch', '1'], ['--batch=1']]) {
      expect((await desk.type(['show', ...words, '--', '-UGmle'])).stdout).toMatch(/row +1, id -UGmle/)
    }
    expect((await desk.type(['show', '--', '--hQ3x'])).stdout).toMatch(/row +2, id --hQ3x/)
    expect((await desk.type(['show', '--', '-h'])).stdout).toMatch(/row +3, id -h/)
    expect((await desk.type(['show', '-h'])).stdout).toMatch(/^Usage: /)
    expect((await desk.type(['show', 'A', '--jsn'])).stderr).toMatch(/Unknown option '--jsn'/)
  })

  test('an invalid row says why', async () => {
    await submit()
    expect((await desk.type(['show', 'D'])).stdout).toMatch(/status +invalid\nproblem +line 5: /)
  })
})

describe('report', () => {
  test('one file beside the catalog, with the plan, the tags and what a worker sampled', async () => {
    await submit()
    await desk.work()
    const { code, stdout, stderr } = await desk.type(['report'])
    const path = join(desk.dir, 'films.report.html')
    expect([code, stdout, stderr.trim()]).toEqual([0, '', `Report of batch 1 (films): ${path}`])
    const html = await readFile(path, 'utf8')
    expect(html).toContain('3 of 4 rows tagged')
    expect(html).toMatch(/How sure the tags are.*<th scope="row">Genre<\/th><td>\d+ %<\/td>/s)
    expect(html).toMatch(/aria-label="Rows done: \d of 4/)
    expect(html).not.toContain(SIMULATOR_KEY)
  })

  test('to stdout, after wait, and never over the catalog', async () => {
    await submit()
    await desk.work()
    expect((await desk.type(['report', 'films', '--out', '-'])).stdout).toMatch(/^<!doctype html><html/)
    expect((await desk.type(['wait', '--report'])).code).toBe(6)
    expect((await desk.type(['export', '--report', '--out', '-'])).stderr).toContain('films.report.html')
    const before = await readFile(join(desk.dir, 'films.csv'), 'utf8')
    expect((await desk.type(['report', '--out', 'films.csv'])).code).toBe(2)
    expect(await readFile(join(desk.dir, 'films.csv'), 'utf8')).toBe(before)
  })
})
