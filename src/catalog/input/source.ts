import { constants, fstatSync, openSync } from 'node:fs'
import { open, stat } from 'node:fs/promises'
import { Socket } from 'node:net'
import { addAbortSignal, type Readable } from 'node:stream'
import { CatalogError, errorCode } from '../../domain/errors.js'
import { truncate } from '../../domain/format.js'

/** A file, or a stream that somebody else opened (and closes), such as standard input. */
export type CatalogSource = { readonly path: string } | { readonly stream: Readable; readonly name: string }

interface OpenSource {
  readonly name: string
  readonly chunks: AsyncIterable<Uint8Array | string>
  close(): void
}

const CHUNK_BYTES = 256 * 1024

export async function openSource(source: CatalogSource, signal: AbortSignal): Promise<OpenSource> {
  if ('stream' in source) {
    const { stream, name } = source
    // As a stream, a directory would be an empty file.
    if (isDirectory(stream)) throw foundDirectory(name)
    return { name, chunks: readAll(stream.iterator({ destroyOnReturn: false }), name, 0), close: () => {} }
  }
  const { path } = source
  try {
    const about = await stat(path)
    if (about.isDirectory()) throw foundDirectory(path)
    const stream = about.isFIFO()
      ? openPipe(path)
      : (await open(path, 'r')).createReadStream({ highWaterMark: CHUNK_BYTES })
    addAbortSignal(signal, stream)
    return { name: path, chunks: readAll(stream, path, about.isFile() ? about.size : 0), close: () => stream.destroy() }
  } catch (error) {
    throw explainReadError(error, path)
  }
}

/** @param least the size at the start: a file that became shorter meanwhile would lose its last rows unnoticed */
async function* readAll(
  chunks: AsyncIterable<Uint8Array | string>,
  name: string,
  least: number,
): AsyncGenerator<Uint8Array | string, void, undefined> {
  let bytes = 0
  try {
    for await (const chunk of chunks) {
      bytes += chunk.length
      yield chunk
    }
  } catch (error) {
    throw explainReadError(error, name)
  }
  if (bytes >= least) return
  throw new CatalogError(
    `${name}: expected ${least} bytes, found ${bytes}: it became shorter while it was read. Submit it again when no program writes to it.`,
  )
}

function foundDirectory(name: string): CatalogError {
  return new CatalogError(`${name}: expected a file, found a directory. Name one CSV, TSV or JSONL file.`)
}

/** Standard input may be a directory: `submit - < directory`. */
function isDirectory(stream: Readable): boolean {
  return 'fd' in stream && typeof stream.fd === 'number' && fstatSync(stream.fd).isDirectory()
}

/** Opens a named pipe. As a file, it would occupy a thread and keep the process from ending until somebody writes. */
function openPipe(path: string): Readable {
  return new Socket({ fd: openSync(path, constants.O_RDONLY | constants.O_NONBLOCK), readable: true, writable: false })
}

/** The catalog's name for a command to copy; FILE if it would need quotes (standard input, a path with spaces). */
export function shellWord(name: string): string {
  return /^[\w./@%+:,-]+$/.test(name) ? name : 'FILE'
}

/** Turns a system error into a message with the next step. Returns any other error unchanged. */
export function explainReadError(error: unknown, path: string): unknown {
  const code = errorCode(error)
  switch (code) {
    case 'ENOENT':
    case 'ENOTDIR':
      return new CatalogError(`${path}: expected a catalog, found no such file. Check the path.`)
    case 'EACCES':
    case 'EPERM':
      return new CatalogError(
        `${path}: expected a readable file, found one without read permission. Try: chmod +r ${shellWord(path)}`,
      )
    case 'ELOOP':
      return new CatalogError(`${path}: expected a file, found a link that leads in a circle. Name the file itself.`)
    case 'ENAMETOOLONG':
      return new CatalogError(`${truncate(path, 60)}: expected a path, found one that is too long. Check the path.`)
    case 'EISDIR':
      return foundDirectory(path)
    case 'ENXIO':
      return new CatalogError(`${path}: expected a file, found a socket or a device that cannot be read.`)
    default:
      // Only errors of the system (EIO, EINVAL, ESTALE, …); our own and Node's (ERR_…) pass unchanged.
      if (!/^E[A-Z0-9]+$/.test(code)) return error
      return new CatalogError(
        `${path}: expected a readable file, found one that cannot be read (${code}). Is it a file?`,
      )
  }
}
