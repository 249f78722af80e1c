import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { feedAll, released, settle } from '../store/setup.js'
import { setup, type TestBoard } from './setup.js'

/** What the board shows of more batches than fit on a page. */
const FINISHED = 60

let board: TestBoard
beforeAll(async () => {
  board = await setup()
  const { store } = board
  await released(store, ['long 1', 'long 2'], {}, { name: 'the one that runs' })
  for (let batch = 0; batch < FINISHED; batch++)
    await released(store, [`query ${batch}`], {}, { name: `done ${batch}` })
  await feedAll(store)
  for (let batch = 0; batch < FINISHED; batch++) await settle(store, `query ${batch}`, 'refused')
  for (let batch = 0; batch < 25; batch++) await released(store, [`later ${batch}`], {}, { name: `later ${batch}` })
}, 240_000)
afterAll(() => board[Symbol.asyncDispose]())

const textOf = async (path: string) => (await board.get(path)).text()
const namesIn = (html: string) => [...html.matchAll(/class="batch-name"[^>]*>([^<]+)</g)].map(([, name]) => name)

test('the overview begins with the batch that runs, and says how many it leaves out', async () => {
  const html = await textOf('/')
  expect(namesIn(html)).toHaveLength(20)
  expect(namesIn(html)[0]).toBe('the one that runs')
  expect(html).toContain('<a href="/batches">and 66 more</a>')
})

test('all batches are listed, some on each page', async () => {
  const first = await textOf('/batches')
  expect(first).toContain('86 batches, unfinished first; page 1 of 2')
  expect(first).toContain('<a href="/batches?page=2">Next</a>')
  expect(first).not.toContain('Previous')
  const second = await textOf('/batches?page=2')
  expect(second).toContain('<a href="/batches?page=1">Previous</a>')
  expect(second).not.toContain('Next')
  const names = [...namesIn(first), ...namesIn(second)]
  expect(new Set(names).size).toBe(86)
  for (const other of ['3', '0', '-1', '1.5', 'x', '9999999999', ''])
    expect((await board.get(`/batches?page=${other}`)).status).toBe(200)
  expect(namesIn(await textOf('/batches?page=3'))).toEqual(namesIn(second))
})

test('the metrics have every unfinished batch, and those that finished lately', async () => {
  const text = await textOf('/metrics')
  expect(text).toMatch(/trackyard_batch_rows\{batch="1",name="the one that runs",status="waiting"\} 2/)
  expect(text).toMatch(/trackyard_batch_rows\{batch="2",name="done 0",status="dead"\} 1/)
  expect(text.match(/^trackyard_batch_credits_spent\{/gm)).toHaveLength(86)
})
