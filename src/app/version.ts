import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { isRecord, parseJson } from '../domain/json.js'

/**
 * The version in package.json, searched upwards: sources and built files are at different depths.
 */
export function version(): string {
  for (let folder = dirname(fileURLToPath(import.meta.url)); ; folder = dirname(folder)) {
    const found = readVersion(join(folder, 'package.json'))
    if (found !== null) return found
    if (folder === dirname(folder)) return 'unknown'
  }
}

function readVersion(path: string): string | null {
  if (!existsSync(path)) return null
  const content = parseJson(readFileSync(path, 'utf8'))
  return isRecord(content) && typeof content.version === 'string' ? content.version : null
}

/** What the API and the receiver of notifications see. */
export function userAgent(): string {
  return `trackyard-batch/${version()}`
}
