import { join } from 'node:path'
import { parseEnv } from 'node:util'
import { errorCode } from '../domain/error-code.js'
import { ConfigurationError } from '../domain/errors.js'
import { foundInstead } from './file-error.js'
import { readSmallFile } from './small-file.js'

/**
 * The environment as a program sees it: the process's own, and behind it a `.env` in the working
 * directory. The real environment wins, also with an empty value, so that `NAME= command` unsets one.
 * Of the file only our own names count: it may belong to another program of the same project.
 */
export type Environment = Readonly<Record<string, string | undefined>>

export const PREFIX = 'TRACKYARD_'

/** A value of ours without quotes and with a `#` in a word: half a password is worse than none. */
const CUT_VALUE = /^\s*(?:export\s+)?TRACKYARD_\w+\s*=\s*[^"'`\s#][^#]*(?<!\s)#/

export function readEnvironment(
  options: { readonly env?: Environment; readonly directory?: string } = {},
): Environment {
  const file = readEnvFile(join(options.directory ?? process.cwd(), '.env'))
  const ours = Object.entries(file).filter(([name]) => name.startsWith(PREFIX))
  return { ...Object.fromEntries(ours), ...(options.env ?? process.env) }
}

/** The program that a shell says it started; empty where none says so. */
export function shellWord(): string {
  return process.env._ ?? ''
}

/** @returns empty when there is no such file. Throws `ConfigurationError` when it cannot be read or understood. */
export function readEnvFile(path: string): Record<string, string> {
  const text = readText(path)
  if (text === null) return {}
  const bad = badLine(text)
  if (bad !== null) {
    // The line itself is not shown: it may be a key.
    throw new ConfigurationError(`${path}, line ${bad}: expected NAME=value, a comment or an empty line. Correct it.`)
  }
  const commented = text.split('\n').findIndex((line) => CUT_VALUE.test(line))
  if (commented >= 0) {
    throw new ConfigurationError(
      `${path}, line ${commented + 1}: the value would end at its "#", which begins a comment. Put the value in quotes.`,
    )
  }
  const values: Record<string, string> = {}
  for (const [name, value] of Object.entries(parseEnv(text))) if (value !== undefined) values[name] = value
  return values
}

function readText(path: string): string | null {
  try {
    // Node's parser drops a lone CR and so would put two lines into one value.
    return readSmallFile(path).replace(/\r\n?/g, '\n')
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return null
    throw new ConfigurationError(`${path}: expected a file of NAME=value lines, found ${foundInstead(error)}.`, {
      cause: error,
    })
  }
}

/** Node's parser passes over what it does not understand, or stops there, and with it over a setting somebody relied on. */
function badLine(text: string): number | null {
  // Quoted values may span lines: emptied, so that only the line count of them remains.
  const quoted = /^(\s*(?:export\s+)?[\w.-]+[ \t]*=[ \t]*)(["'`])([\s\S]*?)\2/gm
  const bare = text.replace(quoted, (_, start: string, _quote, inner: string) => start + inner.replace(/[^\n]/g, ''))
  const bad = bare
    .split('\n')
    .findIndex((line) => !/^\s*(#[\s\S]*|(export\s+)?[A-Za-z_][\w.-]*\s*=[\s\S]*)?$/.test(line))
  return bad < 0 ? null : bad + 1
}
