import { expect, test } from '@jest/globals'
import type { Activity } from '../../src/store/activity.js'
import { renderReport } from '../../src/web/report.js'
import { storeInTemp } from '../store/setup.js'
import { aNight, HOSTILE } from './night.js'
import { activityOf } from './scenes.js'

const NOW = Date.now()
const NO_ACTIVITY: Activity = { samples: [], stops: [] }

async function reportWith(shown: Activity): Promise<string> {
  const temp = await storeInTemp()
  try {
    const id = await aNight(temp.store)
    const [report] = await temp.store.reports.batches({ batchId: id, limit: 1 })
    if (report === undefined) throw new Error('expected a report')
    const entries = [{ at: NOW - 60_000, kind: 'paused', by: 'board', what: `Paused by hand (${HOSTILE}).` } as const]
    const { reports, activity, timeline } = temp.store
    const store = {
      reports,
      activity: { ...activity, read: async () => shown },
      timeline: { ...timeline, list: async () => entries },
    }
    return await renderReport(store, report, NOW)
  } finally {
    await temp.end()
  }
}

const plain = (html: string) =>
  html
    .replace(/<style>.*?<\/style>/s, '')
    .replace(/<[^>]+>/g, ' ')
    .replace(/\s+/g, ' ')

test('the report says first what came out and what it cost, then why, by cause', async () => {
  const text = plain(await reportWith(NO_ACTIVITY))
  expect(text).toContain('1 of 10 rows tagged, 1 without a match, 4 dead, 3 invalid, 1 not done. 4 credits in ')
  expect(text).toMatch(/Unique searches, the most it could cost 6 credits Credits charged 4/)
  expect(text).toMatch(/Calls: refused, free 2/)
  expect(text).toMatch(/400 invalid_parameters 2 searches, 3 rows bad filters Check the query\./)
  expect(text).toContain('2 rows line 8: repeated id')
  expect(text).toContain('Paused by hand (&lt;script&gt;alert(1)&lt;/script&gt;).')
})

test('it is one file: no script, no form, no link and nothing from outside', async () => {
  const html = await reportWith(NO_ACTIVITY)
  expect(html).not.toMatch(/<script|<form|<button|<link|<img|\ssrc=|\shref=|url\(|@import|https?:\/\/(?!www\.w3\.org)/)
  expect(html).not.toContain(HOSTILE)
})

test('waits have their share of the time, and charts a sentence for those who do not see them', async () => {
  const start = 10_000 // of the first call in aNight
  const shown = activityOf(start + 60 * 60_000, 60, (ago) =>
    ago <= 30 && ago > 15 ? { calls: {}, stopped: 'outage' } : { calls: { answered: 100 } },
  )
  const html = await reportWith(shown)
  // Not only for screen readers: mail programs drop styles and drawings.
  const mail = plain(html.replace(/<svg.*?<\/svg>/gs, ''))
  expect(mail).toMatch(
    /Calls a minute of all batches answered limit 300 API outage Calls a minute of all batches, on average: /,
  )
  expect(mail).not.toMatch(/\d\d:\d\d\d\d:\d\d|1K5000/)
  expect(plain(html)).toMatch(/API outage : about 15 min, .*of the time/)
})
