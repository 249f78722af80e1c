/**
 * The plan of the house, kept true: rooms in one line, imports pointing one way, each outside library
 * in one room, and the few effects (environment, printing, exit codes) where they belong. It reads the
 * source as text; a name in a string or comment that trips it is worth another word.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join, normalize } from 'node:path'
import { describe, expect, test } from '@jest/globals'

const root = join(import.meta.dirname, '..')

/** From the floor up: a room may import from earlier lines only, never from a neighbour in its own. */
const LINES = [
  ['domain'],
  ['config', 'log', 'api', 'catalog', 'tags', 'store', 'queue'],
  ['submit', 'feed', 'search', 'pauses', 'account', 'announce', 'dead-letters', 'status', 'export'],
  ['board'],
  ['app'],
  ['cli'],
  ['workers', 'scripts'],
]
/** Off the line: it plays the API, so it sees the API's wire shapes and nothing else of ours. */
const SIMULATOR = 'simulator'
const SIMULATOR_MAY_SEE = ['src/api/wire.ts']
const SIMULATOR_IS_SEEN_BY = ['cli', 'scripts', 'workers']

const USE_CASES = LINES[2] ?? []
/** They hand what belongs to the process to `app` and `cli`, and end with the exit code that comes back. */
const ENTRY_POINTS = LINES.at(-1) ?? []
const HOMES: Readonly<Record<string, readonly string[]>> = {
  bullmq: ['queue'],
  ioredis: ['queue'],
  'better-sqlite3': ['store'],
  kysely: ['store'],
  undici: ['api'],
  commander: ['cli'],
  'cli-progress': ['cli'],
  hono: ['board'],
  '@hono/node-server': ['board'],
  '@bull-board/api': ['board'],
  '@bull-board/hono': ['board'],
  'prom-client': ['board'],
  'iconv-lite': ['catalog'],
  'lossless-json': ['catalog'],
  'csv-stringify': ['export'],
  pino: ['log'],
  'pino-pretty': ['log'],
  zod: ['config'],
  'p-retry': ['queue', ...USE_CASES, 'app'],
}

/** Baselines of the bench: they stand beside the program, so they use what it uses. */
const BASELINES = ['scripts/bench/bare-worker.ts', 'scripts/bench/documented-loop.ts']

interface SourceFile {
  /** From the project's root, with forward slashes. */
  readonly path: string
  readonly room: string
  readonly lines: number
  /** Without comments. A comment starts after a space or at the line's start, which '/queues/*' does not. */
  readonly code: string
  /** Files of ours that it imports, types included. */
  readonly files: readonly string[]
  /** Outside packages that it imports. */
  readonly packages: readonly string[]
}

const sources = ['src', 'workers', 'scripts'].flatMap((top) =>
  readdirSync(join(root, top), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => readSource(join(top, name).replaceAll('\\', '/'))),
)

function readSource(path: string): SourceFile {
  const text = readFileSync(join(root, path), 'utf8')
  const code = text.replace(/(^|\s)\/\*[\s\S]*?\*\//g, '$1').replace(/(^|\s)\/\/.*$/gm, '$1')
  const imports = importsOf(code)
  return {
    path,
    room: roomOf(path),
    lines: text.split('\n').length - 1,
    code,
    files: imports
      .filter((name) => name.startsWith('.'))
      .map((name) => normalize(join(path, '..', name)).replace(/\.js$/, '.ts')),
    packages: imports.filter((name) => !/^(\.|node:)/.test(name)).map(packageOf),
  }
}

/** `import … from 'x'`, `export … from 'x'`, `import 'x'` and `import('x')`. */
function importsOf(code: string): string[] {
  const statement = /^(?:import|export)\s[^'"`;]*?\bfrom\s*['"]([^'"]+)['"]|\bimport\s*\(?\s*['"]([^'"]+)['"]/gm
  return [...code.matchAll(statement)].map((match) => match[1] ?? match[2] ?? '')
}

function packageOf(specifier: string): string {
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/')
}

function lineOf(room: string): number {
  return LINES.findIndex((line) => line.includes(room))
}

function roomOf(path: string): string {
  const [top = '', second = ''] = path.split('/')
  return top === 'src' ? second : top
}

function mayImport(from: SourceFile, path: string): boolean {
  const to = roomOf(path)
  if (from.room === to) return true
  if (from.room === SIMULATOR) return SIMULATOR_MAY_SEE.includes(path)
  if (to === SIMULATOR) return SIMULATOR_IS_SEEN_BY.includes(from.room)
  return lineOf(to) < lineOf(from.room)
}

/** Files outside `rooms` whose code matches, with the words that do. */
function matchesOutside(rooms: readonly string[], pattern: RegExp): string[] {
  return sources
    .filter(({ room }) => !rooms.includes(room))
    .flatMap(({ path, code }) => [...code.matchAll(pattern)].map((match) => `${path}: ${match[0]}`))
}

function cycles(): string[] {
  const files = new Map(sources.map((source) => [source.path, source.files]))
  const done = new Set<string>()
  const found: string[] = []
  const visit = (path: string, trail: readonly string[]): void => {
    const at = trail.indexOf(path)
    if (at >= 0) found.push([...trail.slice(at), path].join(' → '))
    if (at >= 0 || done.has(path)) return
    for (const next of files.get(path) ?? []) visit(next, [...trail, path])
    done.add(path)
  }
  for (const path of files.keys()) visit(path, [])
  return found
}

describe('the directions of imports', () => {
  test('this test sees the imports that are there', () => {
    const judge = sources.find(({ path }) => path === 'src/domain/judge.ts')
    expect(judge?.files).toEqual(expect.arrayContaining(['src/domain/backoff.ts', 'src/domain/outcome.ts']))
    expect(importsOf("import {\n  a,\n} from 'x'\nexport * from './y.js'\nconst z = await import('z/sub')")).toEqual([
      'x',
      './y.js',
      'z/sub',
    ])
  })

  test('every folder of src is a room of the plan', () => {
    const rooms = new Set(sources.map(({ room }) => room))
    expect([...rooms].filter((room) => room !== SIMULATOR && lineOf(room) < 0)).toEqual([])
  })

  test('every import between our files leads to a file that is there', () => {
    const known = new Set(sources.map(({ path }) => path))
    const lost = sources.flatMap(({ path, files }) =>
      files.filter((to) => !known.has(to)).map((to) => `${path} → ${to}`),
    )
    expect(lost).toEqual([])
  })

  test('imports point to earlier rooms, and rooms of one line never import each other', () => {
    const wrong = sources.flatMap((from) =>
      from.files.filter((to) => !mayImport(from, to)).map((to) => `${from.path} → ${to}`),
    )
    expect(wrong).toEqual([])
  })

  test('no file is imported, however far around, by what it imports', () => {
    expect(cycles()).toEqual([])
  })

  test('each outside library is imported in its own room only', () => {
    const wrong = sources
      .filter(({ path }) => !BASELINES.includes(path))
      .flatMap(({ path, room, packages }) =>
        packages.filter((name) => !HOMES[name]?.includes(room)).map((name) => `${path} imports ${name}`),
      )
    expect(wrong).toEqual([])
  })
})

describe('effects have one place', () => {
  test('only config reads the environment; entry points pass it in', () => {
    expect(matchesOutside(['config', ...ENTRY_POINTS], /\bprocess\.env\b/g)).toEqual([])
  })

  test('only the command line and the scripts print; entry points pass the streams in', () => {
    expect(matchesOutside(['cli', 'scripts'], /\bconsole\.\w+/g)).toEqual([])
    expect(matchesOutside(['cli', ...ENTRY_POINTS], /\bprocess\.std(out|err)\b/g)).toEqual([])
  })

  test('only app listens to signals; it and the entry points end the process', () => {
    expect(matchesOutside(['app'], /\bprocess\.(on|once|addListener|prependListener)\b/g)).toEqual([])
    expect(matchesOutside(['app', ...ENTRY_POINTS], /\bprocess\.(exit|exitCode|abort|reallyExit)\b/g)).toEqual([])
  })

  test('nobody gets at these effects by importing node:process or node:console', () => {
    expect(matchesOutside([], /['"]node:(process|console)['"]/g)).toEqual([])
  })
})

test('no source file is longer than 400 lines', () => {
  expect(sources.filter(({ lines }) => lines > 400).map(({ path, lines }) => `${path}: ${lines} lines`)).toEqual([])
})
