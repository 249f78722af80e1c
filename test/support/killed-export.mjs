import { createCleanup } from '../../dist/src/app/cleanup.js'
import { settingsOf } from '../../dist/src/app/entry.js'
import { openConfiguredStore } from '../../dist/src/app/parts.js'
import { exportBatch } from '../../dist/src/catalog/export/export-batch.js'
import { silentLogger } from '../../dist/src/domain/logger.js'
import { die } from './kill-at.mjs'

/** The use case behind `export`, which dies at one row of its file: OUT ROW. */
const [out, row] = process.argv.slice(2)
const settings = settingsOf({ env: process.env, cwd: process.cwd() })
const store = await openConfiguredStore(settings, silentLogger, createCleanup())
const batch = await store.batches.find(null)

async function* rows() {
  let count = 0
  for await (const one of store.reports.exportRows(batch.id)) {
    count += 1
    if (count === Number(row)) await die()
    yield one
  }
}

await exportBatch({ rows: rows(), batch, format: batch.format, out })
throw new Error('that row was never reached')
