import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import type { Page } from 'playwright-core'
import { UnreachableError } from '../../src/domain/errors.js'
import { newBatch, release, row } from '../store/setup.js'
import { openChromium, type TestBrowser } from './chromium.js'
import { type Scene, scenes } from './scenes.js'
import { setup, type TestBoard } from './setup.js'

/** The overview as an operator sees it at night, in a real Chromium, on a desk and on a phone. */
const NOW = Date.now()
const ALL = scenes(NOW)
const SIZES = { desk: { width: 1280, height: 900 }, phone: { width: 390, height: 844 } }

let board: TestBoard
let scene: Scene
let browser: TestBrowser
let page: Page
/** What the browser refused or failed to do. */
const complaints: string[] = []

beforeAll(async () => {
  scene = sceneOf('healthy')
  const report: TestBoard['options']['report'] = async ({ redisProblem } = {}) => {
    if (scene === ALL['Redis away'] && redisProblem === undefined) throw new UnreachableError('silent')
    return scene.report
  }
  board = await setup({ report }, { activity: async () => scene.activity, timeline: async () => scene.timeline })
  browser = await openChromium()
  page = browser.page
  page.setDefaultTimeout(50_000)
  page.on('console', (message) => complaints.push(message.text()))
  page.on('pageerror', (error) => complaints.push(String(error)))
}, 240_000)

afterAll(async () => {
  await browser?.close()
  await board?.[Symbol.asyncDispose]()
}, 240_000)

const TITLES: Readonly<Record<string, string>> = {
  healthy: 'Running',
  'rate limited': 'Rate limited',
  'no credits': 'Paused: out of credits',
  outage: 'Paused: API outage',
  'revoked key': 'Paused: API key refused',
  'paused by hand': 'Paused by hand',
  'credits will end': 'Running',
  idle: 'Idle',
  'done with dead letters': 'Idle',
  'a million rows': 'Running',
  'no worker': 'No worker is running',
  'Redis away': 'Redis cannot be used',
}

describe.each(Object.keys(ALL))('%s', (name) => {
  test.each(['desk', 'phone'] as const)(
    'is told whole, in light and dark: %s',
    async (size) => {
      scene = sceneOf(name)
      await page.setViewportSize(SIZES[size])
      await page.goto(board.url)
      for (const colorScheme of ['light', 'dark'] as const) {
        await page.emulateMedia({ colorScheme })
        expect(await page.getByRole('heading', { level: 1 }).innerText()).toBe(TITLES[name])
        const banner = page.locator('.banner')
        expect(await banner.innerText()).toContain(
          scene.report.queue.reason.replaceAll('`', '').replace(/^Running: /, ''),
        )
        for (const { batch, name } of scene.report.batches) {
          await page.getByText(name, { exact: true }).waitFor()
          await page.getByText(new RegExp(`^Batch ${batch}, `)).waitFor()
        }
        for (const { what } of scene.timeline) await page.getByText(what.replaceAll('`', '')).first().waitFor()
        // Nothing is cut: no sideways scrolling, and the message is not clipped.
        expect(await page.evaluate('document.documentElement.scrollWidth <= innerWidth')).toBe(true)
        expect(await banner.evaluate((element) => element.scrollHeight <= element.clientHeight + 1)).toBe(true)
        // Message, remedy and buttons are on the first screen.
        expect(
          await banner.evaluate('document.querySelector(".banner").getBoundingClientRect().bottom <= innerHeight'),
        ).toBe(true)
        expect(await contrastOf('.banner h1', '.banner')).toBeGreaterThan(4.5)
        expect(await contrastOf('.banner .reason', '.banner')).toBeGreaterThan(4.5)
      }
    },
    240_000,
  )
})

test('figures: credits that will not last, rate used of allowed, finish, dead letters, workers', async () => {
  await show('credits will end')
  const figures = await page.getByRole('region', { name: 'Figures' }).innerText()
  expect(figures).toMatch(/29,332\s+last until about (\d{4}-\d\d-\d\d )?\d\d:\d\d; 2,100 short/)
  expect(figures).toMatch(/288\s+of 300 allowed/)
  expect(figures).toMatch(/31,432\s+5 in flight, 12 delayed/)
  expect(figures).toMatch(/53\s+1 call of unknown outcome/)
  expect(figures).toContain('the credits end before')
})

test('without Redis nothing is said of workers and calls in flight', async () => {
  await show('Redis away')
  const figures = await page.getByRole('region', { name: 'Figures' }).innerText()
  expect(figures).toMatch(/Workers\s+–\s+not known/)
  expect(figures).not.toMatch(/none is running|\d in flight/)
})

test('workers: host, process, since, in flight at the last heartbeat, and what keeps one from working', async () => {
  await show('healthy')
  const table = page.getByRole('region', { name: 'Workers' })
  expect(await table.innerText()).toContain('In flight at the last heartbeat')
  expect(await table.innerText()).toMatch(/night-box\s+4711\s.*2 h 5\d min.*\s3\s+none/s)
  scene = {
    ...scene,
    report: {
      ...scene.report,
      workers: [{ host: 'night-box', pid: 4711, since: null, in_flight: 0, write_failure: `disk full ${'<b>'}` }],
    },
  }
  await page.getByText('disk full <b>').waitFor()
})

test('charts: calls by outcome under the limit, with the pause as a span; screen readers get a sentence', async () => {
  await show('outage')
  const calls = page.getByRole('img', { name: /^Calls a minute/ })
  expect(await calls.getAttribute('aria-label')).toMatch(
    /2\d\d answered.*failed, limit 300\. Calls stopped: API outage\.$/,
  )
  expect(await page.locator('.chart').first().innerText()).toMatch(/answered.*failed.*limit 300.*API outage/s)
  expect(await calls.locator('rect.stopped').count()).toBe(1)
  expect(await calls.locator('.fill-answered rect').count()).toBeGreaterThan(40)
  await page.getByRole('img', { name: /^Credits left: .* 42,210 at the end/ }).waitFor()
  await page.getByRole('img', { name: /^Rows done: 18,568 of 50,000/ }).waitFor()
  await page.getByRole('link', { name: 'Week' }).click()
  await page.waitForURL(/range=week/)
  expect(await page.getByRole('link', { name: 'Week' }).getAttribute('aria-current')).toBe('true')
})

test('it follows the state by itself, and leaves alone what somebody is typing', async () => {
  await show('healthy')
  const reason = page.getByRole('textbox', { name: 'Reason for the pause' })
  await reason.fill('new template')
  scene = {
    ...sceneOf('healthy'),
    report: { ...scene.report, calls_per_minute: { limit: 300, last: 111 } },
  }
  await page.getByText('111', { exact: true }).waitFor()
  expect(await reason.inputValue()).toBe('new template')
  await reason.fill('')
  await reason.blur()
  scene = sceneOf('no credits')
  await page.getByRole('heading', { name: 'Paused: out of credits' }).waitFor()
  await page.getByRole('status').filter({ hasText: 'Paused: out of credits' }).waitFor({ state: 'attached' })
})

test('pause with a reason and resume, by keyboard alone', async () => {
  await show('healthy')
  board.called.length = 0
  await page.getByRole('textbox', { name: 'Reason for the pause' }).focus()
  await page.keyboard.type('new template')
  await pressEnter()
  await show('paused by hand')
  await page.getByRole('button', { name: 'Resume' }).focus()
  await pressEnter()
  expect(board.called).toEqual(['pause: new template', 'resume'])
})

test('a page that asks for confirmation is not fetched again', async () => {
  const id = await board.store.batches.create(newBatch({ createdAt: NOW }))
  await board.store.batches.addRows(id, [row(1, 'one')], NOW)
  await release(board.store, id)
  scene = sceneOf('healthy')
  await page.goto(`${board.url}/batches/${id}`)
  await page.getByRole('button', { name: 'Cancel the batch' }).click()
  await page.getByRole('heading', { name: /^Cancel .*\?$/ }).waitFor()
  const wanted: string[] = []
  page.on('request', (request) => wanted.push(new URL(request.url()).pathname))
  await page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
  await page.evaluate("fetch('/healthz').then((answer) => answer.text())")
  expect(wanted).toEqual(['/healthz'])
})

test('each control is reached with Tab, has a name and shows its focus', async () => {
  await show('no credits')
  const reached: string[] = []
  for (;;) {
    await page.keyboard.press('Tab')
    const focused = page.locator(':focus')
    if ((await focused.count()) === 0) break
    expect(await page.evaluate('getComputedStyle(document.activeElement).outlineStyle')).toBe('solid')
    reached.push(await focused.evaluate((element) => element.getAttribute('aria-label') ?? element.textContent ?? ''))
  }
  expect(reached).not.toContain('')
  expect(reached).toEqual(
    expect.arrayContaining([
      'Skip to the content',
      'Resume',
      'Reason for the pause',
      'Pause',
      'Week',
      'spring catalog',
    ]),
  )
})

test('without its script the page is whole, and it asks for no inline script or style', async () => {
  scene = sceneOf('no credits')
  const response = await board.get('/')
  const html = await response.text()
  expect(html).toContain('Paused: out of credits')
  expect(html).toContain('17,411 tagged')
  expect(html).toMatch(/<form method="post" action="\/actions\/resume">/)
  expect(html).not.toMatch(/<script(?! src=)|<style| style=|javascript:| on\w+=/)
  expect(response.headers.get('content-security-policy')).toMatch(/default-src 'none'.*style-src 'self'(?!.*unsafe)/)
})

test('the browser had nothing to complain about', () => {
  expect(complaints).toEqual([])
})

function sceneOf(name: string): Scene {
  const found = ALL[name]
  if (found === undefined) throw new Error(`no scene ${name}`)
  return found
}

/** Resolves when the page that the server answers with has been loaded. */
async function pressEnter(): Promise<void> {
  const loaded = page.waitForEvent('load')
  await page.keyboard.press('Enter')
  await loaded
}

async function show(name: string): Promise<void> {
  scene = sceneOf(name)
  await page.setViewportSize(SIZES.desk)
  await page.goto(board.url)
}

/** The contrast of the text with the ground behind it, as WCAG defines it. */
async function contrastOf(text: string, ground: string): Promise<number> {
  const colors = `[['${text}', 'color'], ['${ground}', 'backgroundColor']].map(([where, what]) => {
    const canvas = document.createElement('canvas').getContext('2d')
    canvas.fillStyle = getComputedStyle(document.querySelector(where))[what]
    canvas.fillRect(0, 0, 1, 1)
    return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3)
  })`
  const [front = [], back = []] = await page.evaluate<number[][]>(colors)
  const [light = 0, dark = 0] = [luminance(front), luminance(back)].toSorted((a, b) => b - a)
  return (light + 0.05) / (dark + 0.05)
}

function luminance(color: readonly number[]): number {
  const [red = 0, green = 0, blue = 0] = color.map((part) => {
    const share = part / 255
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4
  })
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue
}
