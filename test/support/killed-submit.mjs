import { createCleanup } from '../../dist/src/app/cleanup.js'
import { settingsOf } from '../../dist/src/app/entry.js'
import { openConfiguredStore } from '../../dist/src/app/parts.js'
import { loadBatch } from '../../dist/src/batches/load-batch.js'
import { compileRows } from '../../dist/src/catalog/compile-rows.js'
import { openCatalog } from '../../dist/src/catalog/open-catalog.js'
import { silentLogger } from '../../dist/src/domain/logger.js'
import { killAt } from './kill-at.mjs'

/** The use case behind `submit`, with one point at which it dies: FILE TEMPLATE. */
const [path, template] = process.argv.slice(2)
const settings = settingsOf({ env: process.env, cwd: process.cwd() })
const store = await openConfiguredStore(settings, silentLogger, createCleanup())
const catalog = await openCatalog({ path }, {})
const batch = await loadBatch(
  { ...killAt({ store }), log: silentLogger, now: Date.now },
  {
    name: 'killed',
    catalogPath: path,
    format: catalog.format,
    delimiter: catalog.delimiter,
    byteOrderMark: catalog.byteOrderMark,
    quoting: 'csv',
    preamble: '',
    rowOptions: {},
    continues: null,
    columns: catalog.columns,
    template,
    priority: 'normal',
    maxAgeMs: null,
  },
  compileRows({ catalog, template, idColumn: null }),
)
await batch.release({ maxCredits: null, first: null }, { notBefore: null, deadline: null })
throw new Error('KILL_AT was never reached')
