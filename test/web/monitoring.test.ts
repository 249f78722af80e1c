import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from '@jest/globals'
import { renderMetrics } from '../../src/web/metrics.js'
import { aBatchStatus } from './scenes.js'
import { aReport, SOME_CALLS } from './setup.js'

/** What docs/monitoring asks Prometheus for is what the board serves. */
const FOLDER = join(import.meta.dirname, '../../docs/monitoring')
const read = (name: string) => readFileSync(join(FOLDER, name), 'utf8')

/** Metrics and the labels of each, of a board that knows everything. */
async function served(): Promise<ReadonlyMap<string, ReadonlySet<string>>> {
  const soon = new Date(Date.now() + 60_000).toISOString()
  const report = aReport({
    finish_at: soon,
    credits: { ...aReport().credits, last_until: soon },
    batches: [aBatchStatus()],
  })
  const { text } = await renderMetrics(report, SOME_CALLS, '1')
  const metrics = new Map<string, Set<string>>()
  for (const [, name = '', labels = ''] of text.matchAll(/^(trackyard_\w+)(?:\{(.*)\})? [\d.e+]+$/gm)) {
    const known = metrics.get(name) ?? new Set()
    for (const [, label = ''] of labels.matchAll(/(\w+)="/g)) known.add(label)
    metrics.set(name, known)
  }
  return metrics
}

test.each(['dashboard.json', 'alerts.yml', 'README.md'])('every metric and label in %s is served', async (name) => {
  const metrics = await served()
  const text = read(name).replaceAll('\\"', '"')
  const uses = [...text.matchAll(/\b(trackyard_[a-z_]+)(?:\{([^}]*)\})?/g)]
  if (name !== 'README.md') expect(uses.length).toBeGreaterThan(8)
  for (const [, metric = '', labels = ''] of uses) {
    expect([...metrics.keys()]).toContain(metric)
    for (const [, label = ''] of labels.matchAll(/(\w+)=/g))
      expect([metric, ...(metrics.get(metric) ?? [])]).toContain(label)
  }
})

test('the dashboard is JSON with a query in every panel, and asks no fixed source', () => {
  const dashboard = JSON.parse(read('dashboard.json')) as { panels: { title: string; targets: { expr: string }[] }[] }
  expect(dashboard.panels.length).toBeGreaterThan(10)
  for (const { title, targets } of dashboard.panels)
    expect([title, targets.every(({ expr }) => expr !== '')]).toEqual([title, true])
  expect(read('dashboard.json')).not.toMatch(/"uid": "(?!\$\{source\}|trackyard-batch)/)
})

test('every alert is explained with what to do', () => {
  const alerts = [...read('alerts.yml').matchAll(/- alert: (\w+)/g)].map(([, name = '']) => name)
  const explained = [...read('README.md').matchAll(/^\| (Trackyard\w+)/gm)].map(([, name = '']) => name)
  expect(alerts.length).toBeGreaterThan(5)
  expect(explained).toEqual(alerts)
})
