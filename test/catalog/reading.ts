import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import type { Catalog, RawRow } from '../../src/catalog/catalog.js'
import { compileRows, type RowRules } from '../../src/catalog/compile-rows.js'
import { type CatalogOptions, openCatalog } from '../../src/catalog/open-catalog.js'
import type { LoadedRow } from '../../src/domain/request.js'

/** A catalog from text, as standard input would bring it. `chunk` cuts it into pieces of so many bytes. */
export function openText(
  text: string | Buffer,
  name = 'catalog.csv',
  chunk = Number.POSITIVE_INFINITY,
  options: CatalogOptions = {},
): Promise<Catalog> {
  const bytes = typeof text === 'string' ? Buffer.from(text) : text
  const pieces: Buffer[] = []
  for (let at = 0; at < bytes.length; at += chunk) pieces.push(bytes.subarray(at, Math.min(bytes.length, at + chunk)))
  return openCatalog({ stream: Readable.from(pieces, { objectMode: false }), name }, options)
}

export async function rawRows(text: string | Buffer, name?: string): Promise<RawRow[]> {
  return await all((await openText(text, name)).rows())
}

export async function load(
  text: string | Buffer,
  rules: Omit<RowRules, 'catalog' | 'template'> & {
    template?: string | null
    name?: string
    chunk?: number
    encoding?: string
  } = {},
): Promise<LoadedRow[]> {
  const catalog = await openText(text, rules.name, rules.chunk, { encoding: rules.encoding })
  return await all(compileRows({ template: '{title} music', ...rules, catalog }))
}

export async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = []
  for await (const item of items) list.push(item)
  return list
}

export async function* each<T>(items: Iterable<T>): AsyncGenerator<T, void, undefined> {
  yield* items
}

/** The message of what is thrown; fails when nothing is. */
export async function refusal(work: () => Promise<unknown>): Promise<{ name: string; message: string }> {
  try {
    await work()
  } catch (error) {
    if (error instanceof Error) return { name: error.name, message: error.message }
  }
  throw new Error('expected a refusal, found none')
}

export async function inDirectory<T>(work: (directory: string) => Promise<T>): Promise<T> {
  const directory = await mkdtemp(join(tmpdir(), 'catalog-'))
  try {
    return await work(directory)
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

export async function file(directory: string, name: string, content: string | Buffer): Promise<string> {
  const path = join(directory, name)
  await writeFile(path, content)
  return path
}
