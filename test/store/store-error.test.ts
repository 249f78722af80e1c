import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from '@jest/globals'
import { UnreachableError } from '../../src/domain/errors.js'
import { openStore } from '../../src/store/open-store.js'
import { storeError } from '../../src/store/sqlite/explain-error.js'
import { until } from '../support/until.js'

const sentences: readonly [string, RegExp][] = [
  ['SQLITE_BUSY', /locked by another process.*safe to try again/],
  ['SQLITE_FULL', /The disk .* is full.*Free some space/],
  ['SQLITE_IOERR_FSYNC', /cannot be read or written \(SQLITE_IOERR_FSYNC\).*Its disk, quota or connection/],
  ['SQLITE_IOERR_SHORT_READ', /shorter than expected.*trackyard-batch down/],
  ['SQLITE_READONLY', /cannot be written.*mounted read-only.*permissions/],
  ['SQLITE_READONLY_DBMOVED', /moved or deleted.*Put it back/],
  ['SQLITE_CANTOPEN', /cannot be opened.*its directory exist.*permissions/],
  ['SQLITE_CORRUPT_VTAB', /is damaged \(SQLITE_CORRUPT_VTAB\).*restore a backup.*docs\/backup\.md/],
  ['SQLITE_NOTADB', /is damaged/],
]

test.each(sentences)('the message for %s names the file and the remedy', (code, sentence) => {
  const error = storeError(Object.assign(new Error('as SQLite says it'), { code }), '/data/trackyard.db')
  expect(error).toBeInstanceOf(UnreachableError)
  expect(String(error)).toMatch(sentence)
  expect(String(error)).toContain('/data/trackyard.db')
})

test('any other error is a bug and is returned unchanged', () => {
  const bug = Object.assign(new Error('no such column'), { code: 'SQLITE_ERROR' })
  expect(storeError(bug, '/data/trackyard.db')).toBe(bug)
})

const HOLDER = `
const { default: Database } = await import('better-sqlite3')
globalThis.held = new Database(process.argv[1]).exec('begin immediate')
console.log('held')
setInterval(() => {}, 1000)
`
/** Other systems do not tell who holds a lock. */
const onLinux = process.platform === 'linux' ? test : test.skip

onLinux('a locked store names the process that holds the lock, and what to do if it is suspended', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'locked-'))
  const path = join(dir, 'trackyard.db')
  const store = await openStore({ path })
  const said = () => String(storeError(Object.assign(new Error('busy'), { code: 'SQLITE_BUSY' }), path))
  expect(said()).toMatch(/locked by another process for too long\. Stop that process, or wait\./)
  const holder = spawn(process.execPath, ['--input-type=module', '-e', HOLDER, path], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  try {
    await once(holder.stdout, 'data')
    expect(said()).toMatch(new RegExp(`for too long \\(pid ${holder.pid}, [^),]+\\)\\. Stop that process, or wait\\.`))
    holder.kill('SIGSTOP')
    await until(() => said().includes(`, suspended). Continue it with \`kill -CONT ${holder.pid}\`, or end it.`), {
      timeoutMs: 60_000,
      what: said,
    })
  } finally {
    holder.kill('SIGKILL')
    await once(holder, 'exit')
    await store.close()
    await rm(dir, { recursive: true, force: true })
  }
})
