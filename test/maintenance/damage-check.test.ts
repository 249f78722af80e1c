import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from '@jest/globals'
import { startDamageCheck } from '../../src/maintenance/damage-check.js'
import { recordingLogger } from '../support/recording-logger.js'
import { until } from '../support/until.js'

test('a check that failed is repeated although nothing was written meanwhile', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'check-'))
  const path = join(directory, 'trackyard.db')
  // No store: SQLite cannot open it.
  await mkdir(path)
  const log = recordingLogger()
  const store = { path, writeFailure: () => null, reportDamage: () => {} }
  const task = await startDamageCheck({ store, log, stopping: new AbortController().signal })
  const failures = () => log.logged('store.check_failed').length
  expect(failures()).toBe(1)
  const isRepeated = async () => {
    await task.run()
    return failures() > 1
  }
  await until(isRepeated, { timeoutMs: 120_000, what: 'another check' })
  await rm(directory, { recursive: true })
})
