import { join } from 'node:path'
import { parseEnv } from 'node:util'
import { ConfigurationError, errorCode } from '../domain/errors.js'
import { foundInstead, readSmallFile } from './small-file.js'

/**
 * The environment of the process, with a `.env` of the working directory as a fallback. The real
 * environment wins, even with an empty value, so that `NAME= command` unsets a setting. Only names
 * with our prefix are read from the file: it may belong to another program of the same project.
 */
export type Environment = Readonly<Record<string, string | undefined>>

export const PREFIX = 'TRACKYARD_'

/**
 * An unquoted value of ours with a `#` inside a word. The parser would cut it there, for example
 * half a password.
 */
const CUT_VALUE = /^\s*(?:export\s+)?TRACKYARD_\w+\s*=\s*[^"'`\s#][^#]*(?<!\s)#/

export function readEnvironment(
  from: { readonly env: Environment; readonly cwd: string } = { env: process.env, cwd: process.cwd() },
): Environment {
  const path = join(from.cwd, '.env')
  return mergeEnvironment(readText(path) ?? '', path, from.env)
}

/**
 * The environment with a `.env` that has this text, which may not be written yet.
 * @throws ConfigurationError if it cannot be parsed
 */
export function mergeEnvironment(text: string, path: string, env: Environment): Environment {
  const ours = Object.entries(parseEnvFile(text, path)).filter(([name]) => name.startsWith(PREFIX))
  return { ...Object.fromEntries(ours), ...env }
}

/** The program that the shell started, from `$_`. Empty: the shell does not set it. */
export function startedProgram(): string {
  return process.env._ ?? ''
}

/** The directories in which the shell looks for programs, joined. */
export function searchPath(): string {
  return process.env.PATH ?? ''
}

/**
 * Throws `ConfigurationError` when the file cannot be read or parsed.
 * @returns empty when there is no such file
 */
export function readEnvFile(path: string): Record<string, string> {
  const text = readText(path)
  return text === null ? {} : parseEnvFile(text, path)
}

function parseEnvFile(text: string, path: string): Record<string, string> {
  const bad = badLine(text)
  if (bad !== null) {
    // Do not show the line: it may hold a key.
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
    // Node's parser drops a lone CR, which would join two lines into one value.
    return readSmallFile(path).replace(/\r\n?/g, '\n')
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return null
    throw new ConfigurationError(`${path}: expected a file of NAME=value lines, found ${foundInstead(error)}.`, {
      cause: error,
    })
  }
}

/**
 * Node's parser skips a line that it does not understand, or stops there. A setting would be lost
 * silently.
 */
function badLine(text: string): number | null {
  // Quoted values may span lines. Empty them, but keep their line breaks so that line numbers
  // match.
  const quoted = /^(\s*(?:export\s+)?[\w.-]+[ \t]*=[ \t]*)(["'`])([\s\S]*?)\2/gm
  const bare = text.replace(quoted, (_, start: string, _quote, inner: string) => start + inner.replace(/[^\n]/g, ''))
  const bad = bare
    .split('\n')
    .findIndex((line) => !/^\s*(#[\s\S]*|(export\s+)?[A-Za-z_][\w.-]*\s*=[\s\S]*)?$/.test(line))
  return bad < 0 ? null : bad + 1
}
