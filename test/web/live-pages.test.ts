import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals'
import type { Locator, Page } from 'playwright-core'
import type { StatusReport } from '../../src/batches/status-report.js'
import { released, settle } from '../store/setup.js'
import { openChromium, type TestBrowser } from './chromium.js'
import { aReport, batchesOf, setup, type TestBoard } from './setup.js'

/** Our pages in a real Chromium: one that follows the state takes nothing from whoever is at it. */
let board: TestBoard
let shown: StatusReport
let browser: TestBrowser
let page: Page

beforeAll(async () => {
  const report: TestBoard['options']['report'] = async (which = {}) => ({
    ...shown,
    batches: await batchesOf(board.store, { limit: 20, ...which }),
  })
  board = await setup({ report })
  browser = await openChromium()
  page = browser.page
  page.setDefaultTimeout(20_000)
}, 240_000)

afterAll(async () => {
  await browser?.close()
  await board?.[Symbol.asyncDispose]()
}, 240_000)

beforeEach(async () => {
  say('Running: 288 calls in the last minute, limit 300.')
  await page.goto(board.url)
}, 60_000)

function say(reason: string, queue: Partial<StatusReport['queue']> = {}, more: Partial<StatusReport> = {}): void {
  shown = aReport({ queue: { ...aReport().queue, reason, ...queue }, ...more })
}

const OUT_OF_CREDITS = { state: 'paused', causes: ['no_credits'] } as const

test('the state follows while somebody types a reason, and is the one that is read aloud', async () => {
  const reason = page.getByRole('textbox', { name: 'Reason for the pause' })
  await reason.click()
  await page.keyboard.type('new tplate')
  for (let key = 0; key < 5; key += 1) await page.keyboard.press('ArrowLeft')
  say('Paused: no credits left.', OUT_OF_CREDITS)
  await page.getByRole('heading', { name: 'Paused: out of credits' }).waitFor()
  await page.getByRole('status').filter({ hasText: 'Paused: out of credits' }).waitFor({ state: 'attached' })
  expect(await page.locator('.banner').getAttribute('class')).toContain('tone-bad')
  await page.getByRole('button', { name: 'Resume' }).waitFor()
  await page.keyboard.type('em')
  expect(await reason.inputValue()).toBe('new template')
})

test('a reason that somebody types stays when another person pauses', async () => {
  const reason = page.getByRole('textbox', { name: 'Reason for the pause' })
  await reason.fill('lunch')
  say('Paused by hand (other person).', { state: 'paused', causes: ['operator'] })
  await page.getByRole('heading', { name: 'Paused by hand' }).waitFor()
  expect(await reason.inputValue()).toBe('lunch')
  await reason.fill('')
  await reason.blur()
  await reason.waitFor({ state: 'detached' })
})

test('a panel comes and goes', async () => {
  const workers = page.getByRole('region', { name: 'Workers' })
  await workers.waitFor()
  say('No worker is running.', { state: 'no_workers', workers: 0 }, { workers: [] })
  await workers.waitFor({ state: 'detached' })
  say('Running.')
  await workers.waitFor()
})

test('a press that is held over a refresh counts', async () => {
  board.called.length = 0
  await holdMouseOn(page.getByRole('button', { name: 'Pause', exact: true }))
  say('Running: 291 calls in the last minute, limit 300.')
  await page.getByText('291 calls').waitFor()
  const loaded = page.waitForEvent('load')
  await page.mouse.up()
  await loaded
  expect(board.called).toEqual(['pause: '])
})

test('selected text stays selected', async () => {
  await page.locator('.reason').selectText()
  const selected = () => page.evaluate<string>('getSelection().toString()')
  expect(await selected()).toBe('288 calls in the last minute, limit 300.')
  say('Running: 3 calls in the last minute, limit 300.')
  await page.getByText('3 calls', { exact: false }).waitFor()
  expect(await selected()).toBe('3 calls in the last minute, limit 300.')
})

test('the focus stays on the button of its cause when another cause is listed above', async () => {
  const id = await released(board.store, ['quiet', 'loud', 'louder', 'loudest'])
  await settle(board.store, 'quiet', 'unreadable')
  await page.goto(`${board.url}/batches/${id}`)
  await page.getByRole('region', { name: 'Unreadable answer' }).getByRole('button', { name: 'Retry 1' }).focus()
  for (const query of ['loud', 'louder', 'loudest']) await settle(board.store, query, 'refused')
  await page.getByRole('button', { name: 'Retry 3' }).waitFor()
  expect(await page.locator('section.group').first().getAttribute('aria-label')).toBe('400 invalid_parameters')
  const focused = page.locator('section.group').filter({ has: page.locator(':focus') })
  expect(await focused.getAttribute('aria-label')).toBe('Unreadable answer')
  expect(await page.locator(':focus').innerText()).toBe('Retry 1')
})

test('the notice of an old state names the present cause', async () => {
  const notice = page.getByRole('alert')
  await page.route(`${board.url}/`, (route) =>
    route.fulfill({ status: 503, contentType: 'text/html', body: '<p class="cause">The store cannot be opened.</p>' }),
  )
  await notice.filter({ hasText: 'The store cannot be opened. This page' }).waitFor()
  await page.unroute(`${board.url}/`)
  await page.route(`${board.url}/`, (route) => route.abort())
  await notice.filter({ hasText: 'The board does not answer. This page' }).waitFor()
  await page.unroute(`${board.url}/`)
  await notice.waitFor({ state: 'hidden' })
})

test('text that turns the direction of writing round does not reach beyond itself', async () => {
  const turned = '\u202Eevil'
  const id = await released(board.store, ['slow', 'slower'], {}, { name: turned })
  await released(board.store, [`${turned} query`], {}, { name: `${turned} 2` })
  await settle(board.store, 'slow', 'unreadable')
  await settle(board.store, `${turned} query`, 'unreadable')
  say(`Paused by hand (${turned}). 120 searches wait.`, OUT_OF_CREDITS)
  await page.goto(board.url)
  expect(await runsForwards('120 searches wait')).toBe(true)
  expect(await runsForwards('was released')).toBe(true)
  await page.goto(`${board.url}/dead-letters`)
  expect(await runsForwards(' (1)')).toBe(true)
  expect(await runsForwards('row-1')).toBe(true)
  await page.goto(`${board.url}/find?q=evil`)
  expect(await runsForwards('dead')).toBe(true)
  await page.goto(`${board.url}/batches/${id}`)
  await page.getByRole('button', { name: 'Cancel the batch' }).click()
  expect(await runsForwards('?')).toBe(true)
})

/** Whether each text with these words on the page shows them from left to right, after what is in front of them. */
function runsForwards(words: string): Promise<boolean> {
  return page.evaluate(`(() => {
    const words = ${JSON.stringify(words)}
    const texts = document.createTreeWalker(document.querySelector('main'), NodeFilter.SHOW_TEXT)
    const found = []
    while (texts.nextNode()) {
      const { currentNode: text } = texts
      const at = text.data.indexOf(words)
      if (at < 0 || text.parentElement.matches('option')) continue
      const leftOf = (index) => {
        const range = document.createRange()
        range.setStart(text, index)
        range.setEnd(text, index + 1)
        return range.getBoundingClientRect().left
      }
      const from = Math.max(0, at - 1)
      found.push(from === at + words.length - 1 || leftOf(from) < leftOf(at + words.length - 1))
    }
    return found.length > 0 && found.every((isForwards) => isForwards)
  })()`)
}

async function holdMouseOn(button: Locator): Promise<void> {
  await button.hover()
  await page.mouse.down()
}
