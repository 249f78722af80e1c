import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

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
  try {
    const content: unknown = JSON.parse(readFileSync(path, 'utf8'))
    if (typeof content !== 'object' || content === null || !('version' in content)) return null
    return typeof content.version === 'string' ? content.version : null
  } catch {
    return null
  }
}
