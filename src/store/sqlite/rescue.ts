import { closeSync, fsyncSync, mkdirSync, openSync, renameSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { StoreHealth, Transaction } from '../engine.js'
import { type KeptFile, keptFiles, newName, placesFor, rescuedCopy } from '../kept-files.js'
import { countOf } from '../ledger.js'
import { readMeta } from '../meta.js'
import { checkStore, makeSingleFile } from './check-store.js'
import { openConnection, type SqliteConnection } from './connection.js'
import { lossSentence, type Rescued, type StoreLoss } from './store-files.js'

/** A call still open after this time belongs to a process that died. */
const CALLS_END_WITHIN_MS = 60_000
/** A large store takes long to copy, and a full disk stays full for a while. */
const AGAIN_AFTER_MS = 60_000
/** A copy unchanged for this long was left by a process that died. */
const COPY_IS_LEFT_AFTER_MS = 30_000

/**
 * Saves the data that only this process has. A deleted or replaced file exists until the last
 * process closes it, with everything that was ever committed: it is copied beside the store under a
 * new name. For a moved file, or one whose log was deleted, the log is checkpointed into the file.
 * If the process is killed before that, data that no other process has open is lost.
 */
export function openRescue(connection: SqliteConnection): Pick<StoreHealth, 'writeFailure' | 'rescue'> {
  const { files } = connection
  let rescued: Rescued = { kind: 'not yet' }
  let failedAt = Number.NEGATIVE_INFINITY
  let running: Promise<void> | null = null

  async function save(loss: StoreLoss, last: boolean): Promise<void> {
    switch (loss.kind) {
      case 'permissions':
      case 'unreachable':
        return
      case 'moved':
        return foldLogIn()
      case 'log':
        return hasNewLog(connection.files.path) ? copy(loss, last) : foldLogIn()
      case 'deleted':
      case 'replaced':
      case 'damaged':
        return copy(loss, last)
      default:
        loss.kind satisfies never
    }
  }

  function foldLogIn(): void {
    connection.checkpoint()
    rescued = { kind: 'folded in' }
  }

  /** Waits for calls in flight, so that the copy contains their answers. */
  async function copy(loss: StoreLoss, last: boolean): Promise<void> {
    if (!last && (performance.now() - failedAt < AGAIN_AFTER_MS || isBeingCopied(connection.files.path))) return
    const inFlight = await connection.read((tx) => countOf(tx, 'sent'))
    if (!last && inFlight > 0 && Date.now() - loss.since < CALLS_END_WITHIN_MS) return
    const state = await connection.read(stateOf)
    const path = (await copyWith(state, connection.files.path)) ?? (await copyBeside(connection, loss))
    // A copy that this process made before the last calls ended.
    if (rescued.kind === 'copied' && rescued.path !== path) rmSync(rescued.path, { force: true })
    rescued = { kind: 'copied', path }
  }

  async function tryOnce(last: boolean): Promise<void> {
    const loss = files.loss()
    if (loss === null) {
      rescued = { kind: 'not yet' }
      return
    }
    try {
      await save(loss, last)
    } catch (error) {
      failedAt = performance.now()
      rescued = { kind: 'failed', reason: error instanceof Error ? error.message : String(error) }
    }
  }

  return {
    writeFailure() {
      const loss = files.loss()
      return loss === null ? null : { kind: 'lost', since: loss.since, cause: lossSentence(loss, files.path, rescued) }
    },
    async rescue(last) {
      // One after another, so that a later process sees what an earlier one saved.
      const before = running
      running = (before ?? Promise.resolve()).then(() => tryOnce(last))
      await running
      return rescued.kind !== 'failed'
    },
  }
}

/** Tells two states of one store apart: every call changes a count when it begins and when it ends. */
async function stateOf(tx: Transaction): Promise<string> {
  return JSON.stringify([
    await readMeta(tx, 'store_id'),
    await tx.all('select outcome, calls from call_count order by outcome'),
    await tx.get('select max(id) as id from batch'),
  ])
}

/** The copy that another process, or an earlier try, made of this state. */
async function copyWith(state: string, path: string): Promise<string | undefined> {
  for (const copy of keptFiles(path, rescuedCopy(path))) if ((await stateIn(copy)) === state) return copy
  return undefined
}

/** Null: it cannot be read. */
async function stateIn(path: string): Promise<string | null> {
  try {
    const connection = openConnection(path, 'read')
    try {
      return await connection.read(stateOf)
    } finally {
      await connection.close()
    }
  } catch {
    return null
  }
}

const UNFINISHED = '.part'

function unfinishedCopy(path: string): KeptFile {
  const { mark, ending } = rescuedCopy(path)
  return { mark, ending: ending + UNFINISHED }
}

/** Another worker's copy is enough. */
function isBeingCopied(path: string): boolean {
  return keptFiles(path, unfinishedCopy(path)).some((copy) => {
    const written = statSync(copy, { throwIfNoEntry: false })?.mtimeMs ?? 0
    return Date.now() - written < COPY_IS_LEFT_AFTER_MS
  })
}

async function copyBeside(connection: SqliteConnection, loss: StoreLoss): Promise<string> {
  let failure: unknown = null
  for (const directory of placesFor(connection.files.path)) {
    try {
      return await copyInto(directory, connection, loss)
    } catch (error) {
      failure ??= error
    }
  }
  throw failure
}

async function copyInto(directory: string, connection: SqliteConnection, loss: StoreLoss): Promise<string> {
  const { path } = connection.files
  const copy = join(directory, newName(path, rescuedCopy(path)))
  const unfinished = copy + UNFINISHED
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  // Readable by its owner only, like the store.
  closeSync(openSync(unfinished, 'wx', 0o600))
  try {
    await connection.backup(unfinished)
    makeSingleFile(unfinished)
    const problem = loss.kind === 'damaged' ? checkStore(unfinished) : null
    if (problem !== null) throw new Error(`a copy would be damaged too: ${problem}`)
    renameSync(unfinished, copy)
  } catch (error) {
    for (const left of ['', '-journal', '-wal', '-shm']) rmSync(unfinished + left, { force: true })
    throw error
  }
  syncDirectory(directory)
  return copy
}

function syncDirectory(path: string): void {
  const descriptor = openSync(path, 'r')
  try {
    fsyncSync(descriptor)
  } finally {
    closeSync(descriptor)
  }
}

/**
 * Another process has created a new log: checkpointing the old one would overwrite that process's
 * changes.
 */
function hasNewLog(path: string): boolean {
  return (statSync(`${path}-wal`, { throwIfNoEntry: false })?.size ?? 0) > 0
}
