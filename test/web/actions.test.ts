import { createRequire } from 'node:module'
import { describe, expect, test } from '@jest/globals'
import { refusalOf } from '../../src/web/allowed-actions.js'
import { A_FINGERPRINT, setup, type TestBoard } from './setup.js'

const LETTER = `d-${A_FINGERPRINT}-1-1`

test('Pause and Resume on the searches go through the use cases, one by one and for all', async () => {
  await using board = await setup()
  expect((await board.put('/queues/api/queues/search/pause')).status).toBe(200)
  expect((await board.put('/queues/api/queues/search/resume')).status).toBe(200)
  expect((await board.put('/queues/api/queues/pause')).status).toBe(200)
  expect((await board.put('/queues/api/queues/resume')).status).toBe(200)
  expect(board.called).toEqual(['pause: paused in Bull Board', 'resume', 'pause: paused in Bull Board', 'resume'])
})

test('pausing all leaves the dead letters running, so that Retry keeps working', async () => {
  await using board = await setup()
  await board.put('/queues/api/queues/pause')
  expect([await board.search.isPaused(), await board.deadLetters.isPaused()]).toEqual([true, false])
  await refused(board, '/queues/api/queues/dead-letters/pause', 'Pause the searches instead')
})

test('Retry makes a failed dead letter run again, alone or with all others', async () => {
  await using board = await setup()
  await failed(board, [LETTER, `d-${A_FINGERPRINT}-2-1`])
  expect((await board.put(`/queues/api/queues/dead-letters/${LETTER}/retry`)).status).toBe(204)
  expect(await board.deadLetters.getJobState(LETTER)).toBe('waiting')
  const all = await board.put('/queues/api/queues/dead-letters/retry/failed')
  expect(await all.json()).toEqual({ retried: 1, skipped: 0 })
})

test('a search is not retried here, and says where', async () => {
  await using board = await setup()
  await board.search.add('search', { query: 'calm piano' }, { jobId: 's-1' })
  await refused(board, '/queues/api/queues/search/s-1/retry', 'Retry searches in the dead letters queue')
  await refused(board, '/queues/api/queues/search/retry/failed', 'Only failed dead letters')
})

test('a search may be removed or promoted; the whole queue may not be emptied', async () => {
  await using board = await setup()
  await board.search.add('search', { query: 'a' }, { jobId: 's-1' })
  await board.search.add('search', { query: 'b' }, { jobId: 's-2', delay: 600_000 })
  expect((await board.put('/queues/api/queues/search/s-1/clean')).status).toBe(204)
  expect((await board.put('/queues/api/queues/search/s-2/promote')).status).toBe(204)
  expect(await board.search.getJobState('s-2')).toBe('waiting')
  await refused(board, '/queues/api/queues/search/empty', 'trackyard-batch cancel')
  await refused(board, '/queues/api/queues/search/obliterate', 'Bull Board cannot do this')
  await refused(board, '/queues/api/queues/search/clean/wait', 'Only completed searches')
  expect(await board.search.getWaitingCount()).toBe(1)
})

test('a dead letter is discarded with the command, while a foreign job beside it may be removed', async () => {
  await using board = await setup()
  await failed(board, [LETTER, 'by-hand'])
  await refused(board, `/queues/api/queues/dead-letters/${LETTER}/clean`, 'dead-letters discard')
  expect((await board.put('/queues/api/queues/dead-letters/by-hand/clean')).status).toBe(204)
  expect(await board.deadLetters.getJobState(LETTER)).toBe('failed')
})

describe('of all the routes with which this version of Bull Board changes something', () => {
  const { appRoutes } = createRequire(import.meta.url)('@bull-board/api/dist/routes.js') as {
    appRoutes: { api: readonly { method: string; route: string }[] }
  }
  const changing = appRoutes.api.filter(({ method }) => method !== 'get')
  const decision = ({ method, route }: { method: string; route: string }, queueName: string, status: string) =>
    refusalOf({ method, route, queueName, jobId: LETTER, status }, 'search')

  test('only these are allowed on the searches', () => {
    expect(
      changing.filter((route) => decision(route, 'search', 'completed') === null).map(({ route }) => route),
    ).toEqual([
      '/api/queues/pause',
      '/api/queues/resume',
      '/api/queues/:queueName/clean/:queueStatus',
      '/api/queues/:queueName/pause',
      '/api/queues/:queueName/resume',
      '/api/queues/:queueName/:jobId/clean',
      '/api/queues/:queueName/:jobId/promote',
    ])
  })

  test('and only these on the dead letters', () => {
    const allowed = changing.filter((route) => decision(route, 'dead-letters', 'failed') === null)
    expect(allowed.map(({ route }) => route)).toEqual([
      '/api/queues/pause',
      '/api/queues/resume',
      '/api/queues/:queueName/retry/:queueStatus',
      '/api/queues/:queueName/resume',
      '/api/queues/:queueName/:jobId/retry',
    ])
  })

  test('and one of a later version, not thought about yet, is refused', () => {
    const later = { method: 'delete', route: '/api/queues/:queueName' }
    expect(decision(later, 'search', '')).toContain('Bull Board cannot do this')
  })
})

/** The status, and the sentence where the page's notice shows it. */
async function refused(board: TestBoard, path: string, sentence: string): Promise<void> {
  const response = await board.put(path)
  const body = (await response.json()) as { error: unknown; message: string }
  expect([response.status, body.message]).toEqual([403, expect.stringContaining(sentence)])
}

/** Jobs under Failed, as the parking worker leaves them. */
async function failed(board: TestBoard, jobIds: readonly string[]): Promise<void> {
  const { Worker } = await import('bullmq')
  const connection = { host: '127.0.0.1', port: board.redis.port, maxRetriesPerRequest: null }
  const worker = new Worker('dead-letters', null, { connection, prefix: '{trackyard}' })
  for (const jobId of jobIds) {
    await board.deadLetters.add('dead-letter', { query: 'calm piano', status: 400 }, { jobId })
    const job = await worker.getNextJob('token')
    await job?.moveToFailed(new Error('400 invalid_parameters'), 'token')
  }
  await worker.close()
}
