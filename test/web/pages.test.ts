import { expect, test } from '@jest/globals'
import { recordingLogger } from '../support/recording-logger.js'
import { A_FINGERPRINT, setup } from './setup.js'

interface QueuesBody {
  readonly queues: readonly {
    readonly name: string
    readonly displayName: string
    readonly description: string
    readonly jobs: readonly { readonly name: string }[]
  }[]
}

test('Bull Board shows both queues at its path', async () => {
  await using board = await setup()
  const page = await board.get('/queues')
  expect(page.status).toBe(200)
  expect(await page.text()).toContain('<title>Trackyard batch</title>')
  const { queues } = await queuesOf(await board.get('/queues/api/queues'))
  expect(queues.map((queue) => [queue.name, queue.displayName])).toEqual([
    ['search', 'Searches'],
    ['dead-letters', 'Dead letters'],
  ])
})

test('the files of the page are served, and none from outside their folder', async () => {
  await using board = await setup()
  const page = await (await board.get('/queues')).text()
  const script = /src="(static\/js\/main[^"]+)"/.exec(page)?.[1]
  expect((await board.get(`/queues/${script}`)).status).toBe(200)
  expect((await board.get('/queues/static/..%2f..%2fpackage.json')).status).not.toBe(200)
})

test('the description of both queues is the sentence of this moment, asked for once for many polls', async () => {
  await using board = await setup()
  board.say('Paused since 02:10: the account is out of credits.')
  const polls = await Promise.all(Array.from({ length: 40 }, () => board.get('/queues/api/queues')))
  for (const poll of polls) {
    const { queues } = await queuesOf(poll)
    expect(queues.map((queue) => queue.description)).toEqual([
      'Paused since 02:10: the account is out of credits.',
      expect.stringMatching(
        /^Paused since 02:10: the account is out of credits\. The newest .* Retry sends a search back; /,
      ),
    ])
  }
  expect(board.reports()).toBeLessThan(20)
})

test('a report that fails is said on the page instead of the sentence', async () => {
  await using board = await setup({ report: () => Promise.reject(new Error('the disk is full')) })
  const { queues } = await queuesOf(await board.get('/queues/api/queues'))
  for (const queue of queues) expect(queue.description).toContain('the disk is full')
})

test('an error that has nothing to do with Redis is not said of Redis, and is logged', async () => {
  const log = recordingLogger()
  await using board = await setup({ report: () => Promise.reject(new TypeError('no such column')), log })
  const page = await board.get('/')
  expect([page.status, await page.text()]).toEqual([503, expect.stringContaining('no such column')])
  expect(log.lines).toContainEqual(
    expect.objectContaining({ level: 'error', facts: expect.objectContaining({ event: 'board.request_failed' }) }),
  )
})

test('jobs show their query, dead letters the reason and the query, foreign jobs their own name', async () => {
  await using board = await setup()
  await board.search.add('search', { query: 'calm piano', limit: 20 })
  await board.deadLetters.add(
    'dead-letter',
    { query: 'calm piano', status: 400, code: 'invalid_parameters', error: 'Invalid' },
    { jobId: `d-${A_FINGERPRINT}-1-1` },
  )
  await board.deadLetters.add(
    'dead-letter',
    { query: 'loud drums', status: 500, code: null, error: 'Internal Server Error' },
    { jobId: `d-${A_FINGERPRINT}-2-1` },
  )
  await board.deadLetters.add('by hand', null)
  const searches = await queuesOf(await board.get('/queues/api/queues?activeQueue=search'))
  expect(searches.queues[0]?.jobs.map((job) => job.name)).toEqual(['calm piano'])
  const letters = await queuesOf(await board.get('/queues/api/queues?activeQueue=dead-letters'))
  const names = letters.queues[1]?.jobs.map((job) => job.name)
  expect(names?.sort()).toEqual([
    '400 invalid_parameters · calm piano',
    '500 Internal Server Error · loud drums',
    'by hand',
  ])
})

test('with Redis away the page is told so instead of hanging, and comes back with it', async () => {
  await using board = await setup()
  await board.get('/queues/api/queues')
  board.redis.freeze()
  const silent = await board.get('/queues/api/queues')
  expect([silent.status, ((await silent.json()) as { message: string }).message]).toEqual([
    503,
    expect.stringContaining('Redis does not answer'),
  ])
  board.redis.thaw()
  expect((await board.get('/queues/api/queues')).status).toBe(200)
})

async function queuesOf(response: Response): Promise<QueuesBody> {
  expect(response.status).toBe(200)
  return (await response.json()) as QueuesBody
}
