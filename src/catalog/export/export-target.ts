import { randomBytes } from 'node:crypto'
import { constants, openSync, type Stats } from 'node:fs'
import { type FileHandle, lstat, open, readdir, readlink, realpath, rename, rm, stat } from 'node:fs/promises'
import { Socket } from 'node:net'
import { basename, dirname, join, resolve } from 'node:path'
import type { Writable } from 'node:stream'
import { setTimeout } from 'node:timers/promises'
import { errorCode, OutputError, UnreachableError } from '../../domain/errors.js'
import { truncate } from '../../domain/format.js'
import type { Batch } from '../../store/store.js'

/**
 * Where an export goes. A file appears whole or not at all: it is written under a temporary name in the same
 * directory, synced to disk and then renamed. So a reader never sees half of it, and an interrupted export
 * leaves the earlier one in place. A new file has the permissions of the one it replaces. A stream, a pipe or
 * a device is written directly.
 */

interface Target {
  /** Null for a stream. */
  readonly path: string | null
  write(text: string): Promise<void>
  /** After the last write. */
  finish(): Promise<void>
  /** Removes what was written so far. */
  abandon(): Promise<void>
}

/** Which existing files are not replaced. */
export interface Spared {
  /** All batches of the store. Their catalogs are never replaced. */
  readonly batches: readonly Pick<Batch, 'id' | 'name' | 'catalogPath'>[]
  /** Only a file of this kind may be replaced. Undefined: any file, since the user has named the path. */
  readonly replaceable?: FileKind | undefined
}

export interface FileKind {
  /** "an export" */
  readonly name: string
  readonly start: RegExp
}

/** @throws OutputError when the file cannot be made there, or must not be replaced */
export async function openTarget(out: string | Writable, spared: Spared, signal?: AbortSignal): Promise<Target> {
  return typeof out === 'string' ? openFile(out, spared, signal) : toStream(out)
}

async function openFile(out: string, spared: Spared, signal: AbortSignal | undefined): Promise<Target> {
  try {
    const existing = await statOrNull(out)
    if (existing?.isDirectory()) throw new OutputError(`${out}: expected a file to write, found a directory.`)
    if (existing?.isFile()) await requireReplaceable(out, existing, spared)
    if (existing?.isFIFO()) return toPipe(await openPipe(out, signal), out)
    if (existing !== null && !existing.isFile()) return inPlace(await open(out, 'w'), out)
    // A link stays a link: the file that it points to is replaced, or created.
    const path = await behindLinks(out)
    await removeLeftovers(path)
    if (path !== out) await requireDirectoryOf(path, out)
    const temporary = join(dirname(path), temporaryName(path))
    const mode = existing === null ? null : existing.mode & 0o777
    return renameWhenDone(await open(temporary, 'wx', mode ?? 0o666), { temporary, path, mode, shown: out })
  } catch (error) {
    throw explainWriteError(error, out)
  }
}

async function requireReplaceable(out: string, existing: Stats, { batches, replaceable }: Spared): Promise<void> {
  for (const { id, name, catalogPath } of batches) {
    const catalog = catalogPath === null ? null : await stat(catalogPath).catch(() => null)
    if (catalog?.dev !== existing.dev || catalog.ino !== existing.ino) continue
    throw new OutputError(
      `${out} is the catalog of batch ${id} (${name}) and is never overwritten. Name another file with --out.`,
    )
  }
  if (await belongsToDatabase(out))
    throw new OutputError(`${out}: it belongs to a database and is never overwritten. Name another file with --out.`)
  if (replaceable === undefined || replaceable.start.test(await beginningOf(out, BEGINNING_BYTES))) return
  throw new OutputError(
    `${out} does not look like ${replaceable.name} of this program, so it is not replaced. ` +
      'Move it away, or name the file to write with --out.',
  )
}

/** Such as the store, with all that was paid for. SQLite keeps further files beside it. */
async function belongsToDatabase(path: string): Promise<boolean> {
  return (await beginningOf(path.replace(/-(wal|shm|journal)$/, ''), SQLITE.length).catch(() => '')) === SQLITE
}

const SQLITE = 'SQLite format 3\0'

/** Lines before the header may be long. */
const BEGINNING_BYTES = 1024 * 1024

async function beginningOf(path: string, bytes: number): Promise<string> {
  const file = await open(path, 'r')
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(bytes))
    return buffer.toString('utf8', 0, bytesRead)
  } finally {
    await file.close()
  }
}

async function requireDirectoryOf(path: string, link: string): Promise<void> {
  if ((await statOrNull(dirname(path)))?.isDirectory()) return
  throw new OutputError(
    `${link} is a link to ${path}, but the directory ${dirname(path)} does not exist. ` +
      'Create it, or name another file with --out.',
  )
}

async function behindLinks(path: string): Promise<string> {
  const target = await readlink(path).catch(() => null)
  return target === null ? path : behindLinks(resolve(await realpath(dirname(path)), target))
}

function temporaryName(path: string): string {
  return `${temporaryStart(path)}${randomBytes(6).toString('hex')}.tmp`
}

/** A file name has at most 255 bytes, and the temporary name is longer than the final one. */
const LONGEST_STEM_BYTES = 230

function temporaryStart(path: string): string {
  let stem = basename(path)
  while (Buffer.byteLength(stem) > LONGEST_STEM_BYTES) stem = stem.slice(0, -1)
  return `.${stem.replace(/\p{Cs}$/u, '')}.`
}

function isTemporaryOf(path: string, name: string): boolean {
  const start = temporaryStart(path)
  return name.startsWith(start) && /^[0-9a-f]{12}\.tmp$/.test(name.slice(start.length))
}

/** A running export writes all the time, so an older temporary file belongs to a killed one. */
const LEFT_AFTER_MS = 60 * 60 * 1000

/** Removes what killed exports to the same file have left, to free its space. Ignores errors. */
async function removeLeftovers(path: string): Promise<void> {
  const names = await readdir(dirname(path)).catch(() => [])
  for (const name of names.filter((each) => isTemporaryOf(path, each))) {
    const leftover = join(dirname(path), name)
    const found = await lstat(leftover).catch(() => null)
    if (found === null || !found.isFile() || Date.now() - found.mtimeMs <= LEFT_AFTER_MS) continue
    await rm(leftover, { force: true }).catch(() => {})
  }
}

interface Renaming {
  readonly temporary: string
  readonly path: string
  /** The permissions of the file that is replaced; null: there is none. */
  readonly mode: number | null
  readonly shown: string
}

function renameWhenDone(file: FileHandle, { temporary, path, mode, shown }: Renaming): Target {
  return {
    path: shown,
    write: (text) => writeText(file, text, shown),
    finish: async () => {
      try {
        if (mode !== null) await file.chmod(mode)
        await file.sync()
        await file.close()
        await rename(temporary, path)
      } catch (error) {
        throw explainWriteError(error, shown)
      }
      // The file is in its place. Not every file system can sync a directory, and not every directory may be opened.
      await syncDirectory(dirname(path)).catch(() => {})
    },
    abandon: async () => {
      await file.close().catch(() => {})
      await rm(temporary, { force: true })
    },
  }
}

async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r')
  await directory.sync().finally(() => directory.close())
}

function inPlace(file: FileHandle, shown: string): Target {
  return {
    path: shown,
    write: (text) => writeText(file, text, shown),
    finish: () => file.close(),
    abandon: () => file.close(),
  }
}

async function writeText(file: FileHandle, text: string, shown: string): Promise<void> {
  try {
    await file.writeFile(text)
  } catch (error) {
    throw explainWriteError(error, shown)
  }
}

/** A named pipe: a stream that we opened, so we close it. */
function toPipe(pipe: Writable, shown: string): Target {
  const target = toStream(pipe)
  const orExplain = (done: Promise<void>) =>
    done.catch((error: unknown) => {
      throw explainWriteError(error, shown)
    })
  return {
    path: shown,
    write: (text) => orExplain(target.write(text)),
    finish: async () => {
      await orExplain(target.finish())
      pipe.end()
    },
    abandon: async () => {
      await target.abandon()
      pipe.destroy()
    },
  }
}

const BETWEEN_TRIES_MS = 50

/**
 * Waits until somebody opens the pipe for reading. A blocking open would occupy a thread until then, and so
 * keep the process from ending.
 */
async function openPipe(path: string, signal: AbortSignal | undefined): Promise<Writable> {
  for (;;) {
    try {
      const fd = openSync(path, constants.O_WRONLY | constants.O_NONBLOCK)
      return new Socket({ fd, readable: false, writable: true })
    } catch (error) {
      if (errorCode(error) !== 'ENXIO') throw error
    }
    signal?.throwIfAborted()
    await setTimeout(BETWEEN_TRIES_MS)
  }
}

/** The caller's stream: it is written, and its caller closes it. */
function toStream(stream: Writable): Target {
  // Kept here: Node's own stdout forgets its error and stays open. It may come between two writes.
  let failure: Error | null = null
  const onError = (error: Error) => {
    failure ??= error
  }
  stream.on('error', onError)
  const requireOpen = () => {
    const error = failure ?? stream.errored
    if (error !== null) throw error
    if (stream.destroyed || stream.writableEnded)
      throw new UnreachableError('The output was closed before the last row.')
  }
  return {
    path: null,
    write: async (text) => {
      requireOpen()
      if (!stream.write(text)) await drainOrClose(stream)
      requireOpen()
    },
    finish: async () => {
      requireOpen()
      await new Promise<void>((resolve, reject) => {
        stream.write('', (error) => (error ? reject(failure ?? error) : resolve()))
      })
      stream.off('error', onError)
    },
    abandon: async () => {
      // An error that is on its way still needs its listener.
      if (!stream.destroyed) stream.off('error', onError)
    },
  }
}

/** An error destroys the stream, so it emits 'close' too. */
function drainOrClose(stream: Writable): Promise<void> {
  return new Promise((resolve) => {
    const settle = () => {
      stream.off('drain', settle).off('close', settle)
      resolve()
    }
    stream.on('drain', settle).on('close', settle)
  })
}

async function statOrNull(path: string) {
  try {
    return await stat(path)
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return null
    throw error
  }
}

/** Turns a system error into a message with the next step. Returns any other error unchanged. */
function explainWriteError(error: unknown, path: string): unknown {
  const code = errorCode(error)
  switch (code) {
    case 'ENOENT':
    case 'ENOTDIR':
      return new OutputError(
        `${path}: expected an existing directory to write to, found none. Create it, or name another file with --out.`,
      )
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return new OutputError(`${path}: writing there is not permitted. Name another file with --out.`)
    case 'ENOSPC':
    case 'EDQUOT':
      return new UnreachableError(`${path}: the disk is full. Nothing was replaced; make room and export again.`, {
        code: 'output_failed',
      })
    case 'EPIPE':
      return new UnreachableError(
        `${path}: its reader closed the pipe before the last row. Export again to a reader that takes all rows.`,
        { code: 'output_failed' },
      )
    case 'ELOOP':
      return new OutputError(
        `${path}: expected a file to write, found a link that leads in a circle. Name another file with --out.`,
      )
    case 'ENAMETOOLONG':
      return new OutputError(`${truncate(path, 60)}: the name is too long for a file. Name another file with --out.`)
    case 'EISDIR':
      return new OutputError(`${path}: expected a file to write, found a directory.`)
    default:
      // Only errors of the system (EIO, EFBIG, ENXIO, …); our own and Node's (ERR_…) pass unchanged.
      if (!/^E[A-Z0-9]+$/.test(code)) return error
      return new UnreachableError(
        `${path}: it cannot be written (${code}). Nothing was replaced; name another file with --out.`,
        { code: 'output_failed' },
      )
  }
}
