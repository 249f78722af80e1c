import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { errorCode } from '../domain/errors.js'
import { isRecord } from '../domain/json.js'
import type { Logger } from '../domain/logger.js'
import type { SearchRef } from '../domain/search-id.js'
import { LostSearchError } from '../store/close-call.js'
import { keptFiles, newName, placesFor, UNSAVED_ENDS } from '../store/kept-files.js'
import type { CallEnd, Store } from '../store/store.js'

/**
 * Outcomes that could not be saved before their worker stopped: the store was locked, full or damaged to
 * the end. They are written beside the store as JSON Lines. The next worker records them, so that nothing
 * paid for is bought again. A crash between recording and renaming the file records them twice, which
 * changes nothing.
 */

export interface UnsavedEnd {
  readonly callId: number
  readonly token: number
  readonly ref: SearchRef
  readonly query: string
  readonly end: CallEnd
}

type StorePlace = Pick<Store, 'path'>

interface Line extends UnsavedEnd {
  readonly storeId: string
}

/** @returns the file. @throws where no directory takes it */
export function writeUnsaved(
  store: StorePlace & Pick<Store, 'id'>,
  ends: readonly UnsavedEnd[],
  home = homedir(),
): string {
  const text = ends.map((end) => `${JSON.stringify({ storeId: store.id, ...end } satisfies Line)}\n`).join('')
  const name = newName(store.path, UNSAVED_ENDS)
  let failure: unknown = null
  const failed: string[] = []
  // The disk that takes no store may take no file either.
  for (const directory of placesFor(store.path, home)) {
    try {
      const file = writeDurably(directory, name, text)
      for (const part of failed) removeSilently(part)
      return file
    } catch (error) {
      failure ??= error
      if (errorCode(error) !== 'EEXIST') failed.push(join(directory, name))
    }
  }
  throw failure
}

function removeSilently(path: string): void {
  try {
    rmSync(path, { force: true })
  } catch {
    // The directory is out of reach: nothing was written there.
  }
}

function writeDurably(directory: string, name: string, text: string): string {
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  const path = join(directory, name)
  const file = openSync(path, 'wx', 0o600)
  try {
    writeFileSync(file, text)
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
  return path
}

/** Records what earlier workers could not. A recorded file is renamed, so that a person can check and delete it. */
export async function recordUnsaved(parts: {
  readonly store: StorePlace & Pick<Store, 'id' | 'calls'>
  readonly log: Logger
  readonly now: () => number
  readonly home?: string
}): Promise<void> {
  const { store, log, now, home = homedir() } = parts
  for (const path of keptFiles(store.path, UNSAVED_ENDS, home)) {
    const lines = readLines(path).filter((line) => line.storeId === store.id)
    // The home directory may have files of other stores too.
    if (lines.length === 0 && (dirname(path) !== dirname(store.path) || !existsSync(path))) continue
    let unknown = 0
    for (const line of lines) if (!(await record(store, line, now()))) unknown += 1
    if (lines.length === 0 || unknown > 0) {
      log.warn(
        { event: 'answer.recovery_skipped', file: path, unknown },
        'a file with unsaved answers does not match this store (restored from a backup?); file left unchanged',
      )
      continue
    }
    if (!markSaved(path)) continue
    log.info(
      { event: 'answer.recovered', file: path, calls: lines.length },
      'saved the answers that an earlier worker could not save',
    )
  }
}

/** False: the store was restored, and has lost its search; or the line is damaged. */
async function record(
  { calls }: Pick<Store, 'calls'>,
  { callId, token, ref, end }: Partial<Line>,
  now: number,
): Promise<boolean> {
  if (callId === undefined || token === undefined || ref === undefined || !isRecord(end?.decision)) return false
  try {
    await calls.close({ id: callId, token, ref }, end, now)
    return true
  } catch (error) {
    if (error instanceof LostSearchError) return false
    throw error
  }
}

/** False: another worker in this data directory has recorded the file at the same time. */
function markSaved(path: string): boolean {
  try {
    renameSync(path, `${path}.saved`)
    return true
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return false
    throw error
  }
}

/** The files that were written since then: earlier ones in the home directory may be of another store. */
export function unsavedSince(store: StorePlace, since: number, home = homedir()): readonly string[] {
  return keptFiles(store.path, UNSAVED_ENDS, home).filter(
    (path) => (statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0) >= since,
  )
}

/** The last line may be cut off, where the disk was full. In the home directory it may be another user's. */
function readLines(path: string): Line[] {
  return textOf(path)
    .split('\n')
    .flatMap((text) => {
      try {
        const line: unknown = JSON.parse(text)
        return isRecord(line) ? [line as unknown as Line] : []
      } catch {
        return []
      }
    })
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}
