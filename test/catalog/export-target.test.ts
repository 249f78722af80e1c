import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, chown, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from '@jest/globals'
import { exportBatch } from '../../src/catalog/export/export-batch.js'
import { each, exportRow } from './exporting.js'

let directory = ''
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'target-'))
})
afterEach(async () => {
  await rm(directory, { recursive: true, force: true })
})

const batch = {
  name: 'n',
  format: 'csv',
  delimiter: ',',
  byteOrderMark: false,
  quoting: 'csv',
  preamble: '',
  columns: ['id'],
} as const
const NOBODY = 65_534
const rows = Array.from({ length: 5000 }, (_, n) => exportRow(n + 1, [String(n)]))

async function refusal(out: string): Promise<{ name: string; message: string; left: string[] }> {
  try {
    await exportBatch({ rows: each(rows), batch, format: 'csv', out })
  } catch (error) {
    if (error instanceof Error) return { name: error.name, message: error.message, left: await readdir(directory) }
  }
  throw new Error('expected a refusal, found none')
}

test('links that lead in a circle, alone or on the way', async () => {
  await symlink(join(directory, 'b'), join(directory, 'a'))
  await symlink(join(directory, 'a'), join(directory, 'b'))
  for (const out of ['a', 'a/x.csv']) {
    expect(await refusal(join(directory, out))).toMatchObject({
      name: 'OutputError',
      message: expect.stringContaining('found a link that leads in a circle'),
      left: ['a', 'b'],
    })
  }
})

test('a link into a directory that is not there', async () => {
  const out = join(directory, 'link.csv')
  await symlink('nowhere/x.csv', out)
  const { message } = await refusal(out)
  const nowhere = join(directory, 'nowhere')
  expect(message).toMatch(`${out} is a link to ${nowhere}/x.csv, but the directory ${nowhere} does not exist.`)
})

test('a name that is too long, and the longest one that is not', async () => {
  const { name, message } = await refusal(join(directory, 'x'.repeat(256)))
  expect([name, message]).toEqual(['OutputError', expect.stringContaining('the name is too long for a file')])
  for (const longest of ['x'.repeat(255), 'é'.repeat(127), '🎬'.repeat(63)]) {
    const out = join(directory, longest)
    await exportBatch({ rows: each(rows), batch, format: 'csv', out })
    expect((await readFile(out, 'utf8')).split('\n')).toHaveLength(5002)
    expect(await readdir(directory)).toEqual([longest])
    await rm(out)
  }
})

test('a directory that cannot be synced, because its names may not be listed', async () => {
  const open = join(directory, 'open')
  await mkdir(open)
  await chmod(open, 0o300)
  const uid = process.getuid?.() ?? 0
  if (uid === 0) {
    await chmod(directory, 0o711)
    await chown(open, NOBODY, NOBODY)
    process.seteuid?.(NOBODY)
  }
  try {
    const done = await exportBatch({ rows: each(rows), batch, format: 'csv', out: join(open, 'x.csv') })
    expect(done.rows).toBe(5000)
  } finally {
    process.seteuid?.(uid)
  }
  await chmod(open, 0o700)
  expect(await readdir(open)).toEqual(['x.csv'])
})

test('a directory that takes the place of the file while rows are written', async () => {
  const out = join(directory, 'x.csv')
  async function* slow() {
    yield* rows
    await mkdir(out)
    await writeFile(join(out, 'y'), '')
  }
  const failure = exportBatch({ rows: slow(), batch, format: 'csv', out })
  await expect(failure).rejects.toMatchObject({
    name: 'OutputError',
    message: `${out}: expected a file to write, found a directory.`,
  })
  expect(await readdir(directory)).toEqual(['x.csv'])
})

test('a pipe in the file system gets every row, however late its reader', async () => {
  const out = join(directory, 'pipe')
  execFileSync('/usr/bin/mkfifo', [out])
  const done = exportBatch({ rows: each(rows), batch, format: 'csv', out })
  const reader = spawn('wc', ['-l', out], { stdio: ['ignore', 'pipe', 'inherit'] })
  let counted = ''
  reader.stdout.on('data', (text: Buffer) => {
    counted += text.toString()
  })
  const closed = once(reader, 'close')
  expect(await done).toMatchObject({ rows: 5000, path: out })
  await closed
  expect(counted).toMatch(/^5001 /)
})

test('a pipe that nobody reads holds nothing up when it is interrupted', async () => {
  // More than the threads that Node has for files.
  const outs = Array.from({ length: 6 }, (_, n) => join(directory, `pipe${n}`))
  execFileSync('/usr/bin/mkfifo', outs)
  const stop = new AbortController()
  const exports = outs.map((out) => exportBatch({ rows: each(rows), batch, format: 'csv', out, signal: stop.signal }))
  const settled = Promise.allSettled(exports)
  await writeFile(join(directory, 'free'), 'x')
  stop.abort(new Error('enough'))
  expect((await settled).map((each) => each.status === 'rejected' && String(each.reason))).toEqual(
    outs.map(() => 'Error: enough'),
  )
})
