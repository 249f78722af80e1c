import { once } from 'node:events'
import { createServer, request, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, test } from '@jest/globals'
import { chromium } from 'playwright-core'
import { setup } from './setup.js'

/** A reverse proxy that shows the board at a path of its own, and nothing else. */
async function openProxy(board: string, prefix: string, takesItOff: boolean) {
  const server: Server = createServer((incoming, response) => {
    const { url = '', method, headers } = incoming
    if (!url.startsWith(`${prefix}/`) && url !== prefix) {
      response.writeHead(404).end('outside')
      return
    }
    const path = takesItOff ? url.slice(prefix.length) || '/' : url
    incoming.pipe(
      request(`${board}${path}`, { method, headers: { ...headers, host: new URL(board).host } }, (answer) => {
        response.writeHead(answer.statusCode ?? 500, answer.headers)
        answer.pipe(response)
      }),
    )
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections()
      server.close()
    },
  }
}

test.each([
  ['takes the path off', '/queues-admin', true],
  ['hands the path on', '/queues-admin', false],
  ['takes a longer path off', '/tools/queues', true],
  ['hands a longer path on', '/tools/queues', false],
])('behind a proxy that %s, every page and file that the page names is there', async (_how, path, takesItOff) => {
  await using board = await setup({ path })
  await using proxy = await openProxy(board.url, path, takesItOff)

  const overview = await (await fetch(`${proxy.url}${path}`)).text()
  const ours = [...overview.matchAll(/(?:src|href)="(\/[^"]+)"/g)].map(([, link = '']) => link)
  expect(ours.length).toBeGreaterThan(6)
  for (const link of ours) expect([link, (await fetch(`${proxy.url}${link}`)).status]).toEqual([link, 200])

  const page = await (await fetch(`${proxy.url}${path}/queues`)).text()
  const base = /<base href="([^"]+)"/.exec(page)?.[1] ?? ''
  expect(base).toBe(`${path}/queues/`)
  const at = (link: string) => new URL(link, new URL(base, proxy.url)).href
  const links = [...page.matchAll(/(?:src|href)="((?!https?:)[^"]+)"/g)].map(([, link = '']) => at(link))
  expect(links.length).toBeGreaterThan(6)
  for (const link of [...links, at('api/queues'), `${proxy.url}${path}/metrics`, `${proxy.url}${path}/healthz`]) {
    expect([link, (await fetch(link)).status]).toEqual([link, 200])
  }
  const chunks = await chunksOf(links.filter((link) => link.endsWith('.js')))
  for (const chunk of chunks) expect([chunk, (await fetch(at(chunk))).status]).toEqual([chunk, 200])
  expect(page).toContain(`"url":"${path}/metrics"`)

  const pause = await fetch(at('api/queues/search/pause'), { method: 'PUT' })
  expect([pause.status, board.called]).toEqual([200, ['pause: paused in Bull Board']])
})

test('with a path of its own the board answers at its root too', async () => {
  await using board = await setup({ path: '/queues-admin' })
  for (const path of [
    '/',
    '/queues-admin',
    '/queues',
    '/queues/',
    '/queues-admin/queues',
    '/healthz',
    '/queues-admin/readyz',
    '/metrics',
  ]) {
    expect([path, (await board.get(path)).status]).toEqual([path, 200])
  }
  expect((await board.get('/queues-administrator/queues')).status).toBe(404)
})

test('behind a proxy the page shows its queues in a browser, and goes on to one of them', async () => {
  await using board = await setup({ path: '/queues-admin' })
  await using proxy = await openProxy(board.url, '/queues-admin', true)
  const browser = await chromium.launch({
    executablePath: '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking'],
  })
  try {
    const page = await browser.newPage()
    page.setDefaultTimeout(50_000)
    const failed: string[] = []
    page.on('response', (response) => response.status() >= 400 && failed.push(response.url()))
    await page.goto(`${proxy.url}/queues-admin`)
    await page.getByRole('link', { name: 'Queues' }).click()
    await page.getByRole('link', { name: 'Searches' }).click()
    await page.getByText('Running.').first().waitFor()
    expect(new URL(page.url()).pathname).toBe('/queues-admin/queues/queue/search')
    await page.reload()
    await page.getByText('Running.').first().waitFor()
    expect(failed).toEqual([])
  } finally {
    await browser.close()
  }
}, 240_000)

/** Files that the scripts load later, as far as their names are whole in the text. */
async function chunksOf(scripts: readonly string[]): Promise<ReadonlySet<string>> {
  const found = new Set<string>()
  for (const script of scripts) {
    const text = await (await fetch(script)).text()
    for (const [, name = ''] of text.matchAll(/"(static\/(?:js|css)\/[\w.-]+\.(?:js|css))"/g)) found.add(name)
  }
  return found
}
