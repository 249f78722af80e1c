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
    const fd = fileDescriptor(stream)
    // As a stream, a directory would be an empty file: `submit - < directory`.
    if (fd !== null && fstatSync(fd, { bigint: true }).isDirectory()) throw foundDirectory(name)
    const isChanged = fd === null ? NEVER : watchFile(fd)
    return {
      name,
      // A stream that has closed its file cannot be asked any more; standard input never does.
      chunks: readAll(
        stream.iterator({ destroyOnReturn: false }),
        name,
        () => fileDescriptor(stream) === fd && isChanged(),
      ),
      close: () => {},
    }
  }
  const { path } = source
  try {
    const about = await stat(path)
    if (about.isDirectory()) throw foundDirectory(path)
    if (about.isFIFO()) return openStream(openPipe(path), path, NEVER, signal)
    const file = await open(path, 'r')
    return openStream(
      file.createReadStream({ highWaterMark: CHUNK_BYTES, autoClose: false }),
      path,
      watchFile(file.fd),
      signal,
    )
  } catch (error) {
    throw explainReadError(error, path)
  }
}

function openStream(stream: Readable, name: string, isChanged: () => boolean, signal: AbortSignal): OpenSource {
  // Whoever reads gets the error. Without a listener, an abort before that would end the process.
  stream.on('error', () => {})
  addAbortSignal(signal, stream)
  return { name, chunks: readAll(stream, name, isChanged), close: () => stream.destroy() }
}

const NEVER = () => false

/** Tells whether the file has been written to since this call. */
function watchFile(fd: number): () => boolean {
  const before = fstatSync(fd, { bigint: true })
  return () => {
    const now = fstatSync(fd, { bigint: true })
    return before.isFile() && (now.size !== before.size || now.mtimeNs !== before.mtimeNs)
  }
}

/**
 * If the file is rewritten while it is read, rows are missing or come from two versions. A file that only grows looks
 * the same, and its last row may be half written. So both are refused.
 */
async function* readAll(
  chunks: AsyncIterable<Uint8Array | string>,
  name: string,
  isChanged: () => boolean,
): AsyncGenerator<Uint8Array | string, void, undefined> {
  try {
    yield* chunks
  } catch (error) {
    throw explainReadError(error, name)
  }
  if (!isChanged()) return
  throw new CatalogError(
    `${name}: expected a file that stays as it is, found one that changed while it was read. ` +
      'Submit it again when no program writes to it, or submit a copy.',
  )
}

/** Names of what a process has open: `<(…)`, /dev/stdin. Nothing can be written beside them. */
const OPEN_DESCRIPTOR = /^\/(?:dev\/(?:stdin$|fd\/)|proc\/)/

/** Whether an export belongs beside it and is named after it: not so for a pipe, even one with a name. */
export async function isOrdinaryFile(path: string): Promise<boolean> {
  if (OPEN_DESCRIPTOR.test(path)) return false
  // If it cannot be found, opening it says so.
  const about = await stat(path).catch(() => null)
  return about === null || about.isFile()
}

function foundDirectory(name: string): CatalogError {
  return new CatalogError(`${name}: expected a file, found a directory. Name one CSV, TSV or JSONL file.`)
}

/** Of standard input and the like that is a file. */
function fileDescriptor(stream: Readable): number | null {
  return 'fd' in stream && typeof stream.fd === 'number' ? stream.fd : null
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
