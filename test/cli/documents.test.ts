import { readFileSync } from 'node:fs'
import { PassThrough } from 'node:stream'
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { openBatchClient } from '../../src/app/client.js'
import { DOCUMENT_KINDS, documentSchema, jsonSchema } from '../../src/cli/documents.js'
import { ERROR_CODES } from '../../src/domain/errors.js'
import { CATALOG, type Desk, openDesk, QUERY } from './setup.js'

/** What `--json` prints, compared with the JSON Schema that is shipped. */
const FILE = 'docs/reference/json-schema.json'
const validate = new Ajv2020({ strict: true, validateFormats: false }).compile(JSON.parse(readFileSync(FILE, 'utf8')))
const seen = new Set<string>()

let desk: Desk
beforeAll(async () => {
  desk = await openDesk({ noMatchRate: 0 })
  desk.simulator.fail({ match: 'Chase', does: { status: 403 } })
  desk.simulator.fail({ match: 'cut', does: 'cut' })
  await desk.file('films.csv', CATALOG)
})
afterAll(() => desk.close())

/** Runs a command and checks each line or the one document that it prints. */
async function documents(line: readonly string[], env = {}): Promise<readonly Record<string, unknown>[]> {
  const { code, stdout } = await desk.type([...line, '--json'], { env })
  const texts = line.some((word) => /^--(follow|watch)$/.test(word)) ? stdout.trimEnd().split('\n') : [stdout]
  return texts.map((text) => {
    const document = check(JSON.parse(text))
    // A worker that is not healthy, and a check that fails, are answers, not errors.
    if (!('ok' in document)) expect([line, 'error' in document]).toEqual([line, code !== 0])
    return document
  })
}

function check(document: Record<string, unknown>): Record<string, unknown> {
  expect({ errors: validate(document) ? [] : validate.errors, document }).toMatchObject({ errors: [] })
  // The schema allows more fields, and the program prints none.
  expect(document).toEqual(documentSchema.parse(document))
  seen.add(String(document.kind))
  return document
}

const codeOf = async (line: readonly string[], env = {}) => {
  const error = (await documents(line, env)).at(-1)?.error
  return typeof error === 'object' && error !== null && 'code' in error ? error.code : null
}

test(`${FILE} is what the program prints: npm run schema`, () => {
  expect(JSON.parse(readFileSync(FILE, 'utf8'))).toEqual(jsonSchema())
})

test('the schema refuses what it does not describe', () => {
  expect(validate({ version: 1, kind: 'discard', discarded: -1 })).toBe(false)
  expect(validate({ version: 2, kind: 'discard', discarded: 1 })).toBe(false)
  expect(validate({ version: 1, kind: 'error', error: { code: 'new', message: '', hint: null } })).toBe(false)
})

test('every document of a batch, from submit to cancel', async () => {
  const submit = ['submit', 'films.csv', '--query', QUERY]
  await documents(['status'])
  await documents([...submit, '--dry-run'])
  await documents([...submit, '--first', '1'])
  await documents(['status'])
  await documents(['pause', '--reason', 'lunch'])
  await documents(['submit', 'films.csv', '--query', 'cut {title}', '--name', 'cut', '--priority', 'low'])
  await documents(['resume'])
  await desk.work()
  await documents(['wait', 'films'])
  await documents(['release', 'films'])
  await desk.work()
  await documents(['wait', 'films'])
  await documents(['wait', 'films', '--follow', '--allow-failures'])
  await documents(['export', 'films'])
  await documents(['report', 'films'])
  for (const what of ['A', 'B', 'D', '1', '2']) await documents(['show', what, '--batch', 'films'])
  await documents(['status', '--unknown'])
  const [{ dead_letters: [letter] = [] } = {}] = await documents(['dead-letters']).then((all) =>
    all.map((each) => ({ dead_letters: Array.isArray(each.dead_letters) ? each.dead_letters : [] })),
  )
  await documents(['dead-letters', 'show', letter.search])
  await documents(['show', letter.search])
  await documents(['dead-letters', 'retry', '--status', '403', '--yes'])
  await documents(['dead-letters', 'discard', '--all', '--yes'])
  await documents(['account'])
  await documents(['doctor'])
  await documents(['submit', 'films.csv', '--query', '{title} again', '--name', 'again'])
  await documents(['cancel', 'again'])
  await documents(['wait', 'again'])
  await documents(['worker', '--healthy'])
  await documents(['down'])
}, 240_000)

test('documents of commands that ask, or run until Ctrl-C', async () => {
  const asked = await desk.type(['init', '--json'], { answers: ['', '', ''], env: { TRACKYARD_API_KEY: undefined } })
  const stop = new AbortController()
  const stdout = new PassThrough()
  let simulated = ''
  stdout.on('data', (part) => {
    simulated += String(part)
    stop.abort()
  })
  await desk.type(['simulate', '--port', '0', '--json'], { stdout, signal: stop.signal })
  for (const text of [asked.stdout, simulated]) check(JSON.parse(text))
})

test('every error is a document with its code', async () => {
  const redisAway = { TRACKYARD_REDIS_URL: 'redis://127.0.0.1:1' }
  const apiAway = { TRACKYARD_API_URL: 'http://127.0.0.1:1', TRACKYARD_DATA_DIR: `${desk.dataDir}-2` }
  const { redis } = desk
  expect(await codeOf(['submitt'])).toBe('usage')
  expect(await codeOf(['status', '--quey'])).toBe('usage')
  expect(await codeOf(['export', '--out', '-'])).toBe('usage')
  expect(await codeOf(['submit', 'nowhere.csv'])).toBe('unusable_catalog')
  expect(await codeOf(['export', 'films', '--out', 'nowhere/x.csv'])).toBe('unusable_output')
  expect(await codeOf(['wait', 'nowhere'])).toBe('no_such_batch')
  // On one line, like what they print while they follow.
  expect(await codeOf(['wait', 'nowhere', '--follow'])).toBe('no_such_batch')
  expect(await codeOf(['status', 'nowhere', '--watch'])).toBe('no_such_batch')
  expect(await codeOf(['show', 'nothing'])).toBe('no_such_row')
  expect(await codeOf(['dead-letters', 'show', '0123456789'])).toBe('no_such_dead_letter')
  expect(await codeOf(['dead-letters', 'retry'])).toBe('confirmation_required')
  expect(await codeOf(['submit', 'films.csv', '--query', 'x {title}'], { TRACKYARD_CONFIRM_ABOVE: '1' })).toBe(
    'confirmation_required',
  )
  expect(await codeOf(['cancel', 'again'])).toBe('nothing_to_cancel')
  expect(await codeOf(['release', 'again'])).toBe('batch_cancelled')
  expect(await codeOf(['status'], redisAway)).toBe('redis_unreachable')
  expect(await codeOf(['status'], { TRACKYARD_CONCURRENCY: 'many' })).toBe('configuration')
  expect(await codeOf(['account'], { TRACKYARD_API_KEY: '' })).toBe('no_api_key')
  expect(await codeOf(['account'], { TRACKYARD_API_KEY: 'wrong' })).toBe('api_key_refused')
  expect(await codeOf(['account'], apiAway)).toBe('api_unreachable')
  expect(await codeOf(['account'], { TRACKYARD_API_URL: 'http://api.example.com' })).toBe('another_api')
  expect(await codeOf(['status'], { TRACKYARD_DATA_DIR: `${desk.dataDir}-3`, TRACKYARD_REDIS_URL: redis.url })).toBe(
    'foreign_redis',
  )
  await documents(['submit', 'films.csv', '--query', 'y {title}', '--name', 'open'])
  expect(await codeOf(['wait', 'open', '--timeout', '0'])).toBe('timed_out')
}, 240_000)

test('a hint says what to do next, and the message does not repeat it', async () => {
  const [document] = await documents(['wait', 'nowhere'])
  expect(document).toMatchObject({
    error: {
      message: 'No batch has the id or name "nowhere".',
      hint: '`trackyard-batch status` lists the batches.',
    },
  })
})

test('a store that was copied, and what follows', async () => {
  const old = { TRACKYARD_DATA_DIR: `${desk.dataDir}-4`, TRACKYARD_REDIS_URL: '' }
  await documents(['status'], old)
  expect(await documents(['store', 'copy', '--to', `${desk.dataDir}-5/copy.db`], old)).toMatchObject([
    { from: `${desk.dataDir}-4/trackyard.db`, to: `${desk.dataDir}-5/copy.db` },
  ])
  expect(await codeOf(['status'], old)).toBe('configuration')
  const secret = 'postgres://ana:hunter2@db/trackyard'
  const [refused] = await documents(['store', 'copy', '--to', secret], old)
  expect(refused).toMatchObject({ error: { code: 'usage', message: expect.stringMatching(/contains a password/) } })
  expect(JSON.stringify(refused)).not.toContain('hunter2')
})

test('the client library uses the words of the documents, in camelCase', async () => {
  const words = new Set<string>()
  JSON.stringify(JSON.parse(readFileSync(FILE, 'utf8')), (key, value: unknown) => {
    if (key === 'properties' && typeof value === 'object' && value !== null)
      for (const name of Object.keys(value)) words.add(name)
    return value
  })
  const env = {
    TRACKYARD_DATA_DIR: desk.dataDir,
    TRACKYARD_REDIS_URL: desk.redis.url,
    TRACKYARD_API_URL: desk.simulator.url,
  }
  const client = await openBatchClient({ env })
  try {
    const planned = await client.plan([{ query: 'a' }], { name: 'words' })
    await planned.drop()
    const [status, account, row] = [
      await client.status(),
      await client.account(),
      await client.show('B', { batch: 'films' }),
    ]
    const used = new Set<string>()
    JSON.stringify([planned.plan, status, account, row, await client.resume()], (key, value: unknown) => {
      used.add(key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`))
      // The user's and the API's own words.
      return key === 'row' || key === 'tracks' || key === 'request' ? null : value
    })
    const own = [...used].filter((name) => !words.has(name) && !/^\d*$/.test(name))
    // What the documents have in another form, or not at all.
    expect(own.sort()).toEqual(['examples', 'rows_without_answer', 'stale_reason', 'tracks'])
  } finally {
    await client.close()
  }
}, 60_000)

test('no document is left out of these tests', () => {
  expect([...DOCUMENT_KINDS, 'error'].filter((kind) => !seen.has(kind))).toEqual([])
})

test('docs/reference/exit-codes.md lists every code, and no other', () => {
  const text = readFileSync('docs/reference/exit-codes.md', 'utf8')
  const listed = [...text.matchAll(/^\| `(\w+)` \|/gm)].map(([, code]) => code)
  expect(listed.sort()).toEqual([...ERROR_CODES].sort())
})
