import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { chromium, type Page } from 'playwright-core'

/** No sandbox: it refuses to run as root, as a container does. The rest keeps it from wanting anything by itself. */
const QUIET = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

export interface TestBrowser {
  readonly page: Page
  close(): Promise<void>
}

/** A Chromium with a profile of its own. Where it is missing, this fails: `npm run setup` installs it. */
export async function openChromium(): Promise<TestBrowser> {
  const profile = await mkdtemp(join(tmpdir(), 'chromium-'))
  const browser = await chromium.launchPersistentContext(profile, {
    executablePath: '/usr/bin/chromium',
    locale: 'en-US',
    viewport: { width: 1280, height: 900 },
    args: QUIET,
  })
  return {
    page: browser.pages()[0] ?? (await browser.newPage()),
    async close() {
      await browser.close()
      await rm(profile, { recursive: true, force: true, maxRetries: 3 })
    },
  }
}
