import { readdirSync } from 'node:fs'
import { homedir } from 'node:os'
import { basename, dirname, extname, join } from 'node:path'

/**
 * What a worker leaves beside the store when the store takes nothing: ends of calls that could not be saved, and
 * copies of a store that was lost. Where the directory of the store takes no file, the home directory may.
 */
export interface KeptFile {
  /** Between the name of the store and the time. */
  readonly mark: string
  readonly ending: string
}

export const UNSAVED_ENDS: KeptFile = { mark: '.unsaved-', ending: '.jsonl' }

export function rescuedCopy(path: string): KeptFile {
  return { mark: '.rescued-', ending: extname(path) }
}

export function placesFor(path: string, home = homedir()): readonly string[] {
  return [...new Set([dirname(path), home])]
}

export function newName(path: string, { mark, ending }: KeptFile): string {
  const moment = new Date().toISOString().replace(/[-:]|\.\d+/g, '')
  return `${baseOf(path)}${mark}${moment}-${process.pid}${ending}`
}

export function isKept(name: string, path: string, { mark, ending }: KeptFile): boolean {
  return name.startsWith(baseOf(path) + mark) && name.endsWith(ending)
}

export function keptFiles(path: string, kind: KeptFile, home?: string): readonly string[] {
  return placesFor(path, home).flatMap((directory) =>
    namesIn(directory)
      .filter((name) => isKept(name, path, kind))
      .map((name) => join(directory, name)),
  )
}

function baseOf(path: string): string {
  return basename(path, extname(path))
}

/** The directory may be gone, or not readable. */
function namesIn(directory: string): readonly string[] {
  try {
    return readdirSync(directory)
  } catch {
    return []
  }
}
