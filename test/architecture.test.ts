/**
 * The plan of the code, kept true: levels of folders, imports pointing one way, each outside library in
 * its own folders, and the few effects (environment, printing, signals, exit codes) where they belong.
 * The sources are parsed, so words in strings and comments do not count.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join, normalize } from 'node:path'
import { describe, expect, test } from '@jest/globals'
import { parseSync } from '@swc/core'

const root = join(import.meta.dirname, '..')

/** Lowest first: a folder imports itself and lower levels only, never another folder of its own level. */
const LEVELS = [
  ['domain'],
  ['config', 'log', 'api', 'store', 'queue'],
  ['catalog', 'control'],
  ['processing', 'maintenance', 'batches'],
  ['web'],
  ['app'],
  ['cli'],
  ['workers', 'scripts'],
]
/** Sealed: it plays the API and imports nothing of ours. */
const SIMULATOR = 'simulator'
const SIMULATOR_IS_SEEN_BY = ['cli', 'scripts', 'workers']

/** They hand what belongs to the process to `app` and `cli`, and end with the exit code that comes back. */
const ENTRY_POINTS = ['workers', 'scripts']
const HOMES: Readonly<Record<string, readonly string[]>> = {
  bullmq: ['queue'],
  ioredis: ['queue'],
  // The private Redis is locked through an empty SQLite file.
  'better-sqlite3': ['store', 'queue'],
  // The server of tests, chaos and bench is asked through it too.
  pg: ['store', 'scripts'],
  'pg-copy-streams': ['store'],
  commander: ['cli'],
  'cli-progress': ['cli'],
  'd3-scale': ['web'],
  'd3-shape': ['web'],
  hono: ['web'],
  '@hono/node-server': ['web'],
  '@bull-board/api': ['web'],
  '@bull-board/hono': ['web'],
  'prom-client': ['web'],
  'iconv-lite': ['catalog'],
  'lossless-json': ['catalog'],
  pino: ['log'],
  'playwright-core': ['scripts'],
  'pino-pretty': ['log'],
  zod: ['cli'],
  'p-retry': ['store', 'queue', 'control', 'processing', 'maintenance', 'batches', 'app'],
}

/** Baselines of the bench: they stand beside the program, so they use what it uses. */
const BASELINES = ['scripts/bench/bare-worker.ts', 'scripts/bench/dbos-worker.ts', 'scripts/bench/documented-loop.ts']
const LONGEST_FILE = 400

interface SourceFile {
  /** From the project's root, with forward slashes. */
  readonly path: string
  readonly folder: string
  readonly lines: number
  /** Files of ours that it imports, types included. */
  readonly files: readonly string[]
  /** What is loaded with it: files of ours, packages and builtins; not types, and not what it imports later. */
  readonly loads: readonly string[]
  /** Outside packages that it imports. */
  readonly packages: readonly string[]
  /** `node:fs` and the like. */
  readonly builtins: readonly string[]
  /** `process.env`, `console.log`, … as written in the code. */
  readonly members: readonly string[]
}

const sources = ['src', 'workers', 'scripts'].flatMap((top) =>
  readdirSync(join(root, top), { recursive: true, encoding: 'utf8' })
    .filter((name) => /\.tsx?$/.test(name))
    .map((name) => readSource(join(top, name).replaceAll('\\', '/'))),
)

function readSource(path: string): SourceFile {
  const text = readFileSync(join(root, path), 'utf8')
  const { imports, loaded, members } = parse(text, path.endsWith('x'))
  return {
    path,
    folder: folderOf(path),
    lines: text.split('\n').length - 1,
    files: imports.filter((name) => name.startsWith('.')).map((name) => sourceOf(normalize(join(path, '..', name)))),
    loads: loaded.map((name) => (name.startsWith('.') ? sourceOf(normalize(join(path, '..', name))) : name)),
    packages: imports.filter((name) => !/^(\.|node:)/.test(name)).map(packageOf),
    builtins: imports.filter((name) => name.startsWith('node:')),
    members,
  }
}

/** `a.js` is compiled from `a.ts` or `a.tsx`. */
function sourceOf(path: string): string {
  const plain = path.replace(/\.js$/, '.ts')
  return existsSync(join(root, plain)) ? plain : plain.replace(/\.ts$/, '.tsx')
}

/** What a file imports (statically, dynamically, as a type, or to export it again), and the members of global objects it uses. */
function parse(
  text: string,
  tsx = false,
): { readonly imports: readonly string[]; readonly loaded: readonly string[]; readonly members: readonly string[] } {
  const imports: string[] = []
  const loaded: string[] = []
  const members: string[] = []
  visit(parseSync(text, { syntax: 'typescript', tsx, target: 'es2022' }), (node) => {
    if (/^(Import|ExportAll|ExportNamed)Declaration$/.test(String(node.type))) imports.push(...literal(node.source))
    if (/^(Import|ExportAll|ExportNamed)Declaration$/.test(String(node.type)) && !isTypeOnly(node))
      loaded.push(...literal(node.source))
    if (node.type === 'CallExpression' && typeOf(node.callee) === 'Import')
      imports.push(...literal(firstArgument(node)))
    if (node.type === 'CallExpression' && isCreateRequire(node.callee)) {
      imports.push(...literal(firstArgument(node)))
      loaded.push(...literal(firstArgument(node)))
    }
    if (node.type === 'TsImportType') imports.push(...literal(node.argument))
    if (node.type === 'MemberExpression') members.push(...memberName(node))
  })
  return { imports, loaded, members }
}

/** `import type …`, or only `type` names between the braces. */
function isTypeOnly({ typeOnly, specifiers }: Node): boolean {
  const names: unknown[] = Array.isArray(specifiers) ? specifiers : []
  return typeOnly === true || (names.length > 0 && names.every((name) => isNode(name) && name.isTypeOnly === true))
}

/** The callee of `createRequire(import.meta.url)('a-package')`. */
function isCreateRequire(callee: unknown): boolean {
  return (
    isNode(callee) &&
    callee.type === 'CallExpression' &&
    isNode(callee.callee) &&
    callee.callee.value === 'createRequire'
  )
}

type Node = Readonly<Record<string, unknown>>

function visit(value: unknown, see: (node: Node) => void): void {
  if (Array.isArray(value)) for (const entry of value) visit(entry, see)
  else if (isNode(value)) {
    see(value)
    for (const child of Object.values(value)) visit(child, see)
  }
}

function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null
}

function typeOf(value: unknown): unknown {
  return isNode(value) ? value.type : undefined
}

function literal(value: unknown): string[] {
  return isNode(value) && typeof value.value === 'string' ? [value.value] : []
}

function firstArgument(call: Node): unknown {
  const [first]: unknown[] = Array.isArray(call.arguments) ? call.arguments : []
  return isNode(first) ? first.expression : null
}

/** `process.env` of two plain names, also where the second is in brackets and quotes. */
function memberName({ object, property }: Node): string[] {
  if (!isNode(object) || object.type !== 'Identifier' || !isNode(property)) return []
  const member = property.type === 'Identifier' ? [String(property.value)] : literal(property.expression)
  return member.map((name) => `${String(object.value)}.${name}`)
}

function packageOf(specifier: string): string {
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/')
}

function levelOf(folder: string): number {
  return LEVELS.findIndex((level) => level.includes(folder))
}

function folderOf(path: string): string {
  const [top = '', second = ''] = path.split('/')
  return top === 'src' ? second.replace(/\.ts$/, '') : top
}

function mayImport(from: SourceFile, path: string): boolean {
  const to = folderOf(path)
  if (from.folder === to) return true
  if (from.folder === SIMULATOR) return false
  if (to === SIMULATOR) return SIMULATOR_IS_SEEN_BY.includes(from.folder)
  return levelOf(to) < levelOf(from.folder)
}

/** Uses outside `folders` of members whose name matches. */
function usesOutside(folders: readonly string[], pattern: RegExp): string[] {
  return sources
    .filter(({ folder }) => !folders.includes(folder))
    .flatMap(({ path, members }) => members.filter((name) => pattern.test(name)).map((name) => `${path}: ${name}`))
}

function cycles(): string[] {
  const files = new Map(sources.map((source) => [source.path, source.files]))
  const done = new Set<string>()
  const found: string[] = []
  const follow = (path: string, trail: readonly string[]): void => {
    const at = trail.indexOf(path)
    if (at >= 0) found.push([...trail.slice(at), path].join(' → '))
    if (at >= 0 || done.has(path)) return
    for (const next of files.get(path) ?? []) follow(next, [...trail, path])
    done.add(path)
  }
  for (const path of files.keys()) follow(path, [])
  return found
}

describe('the directions of imports', () => {
  test('this test sees the imports and members that are there, and no words in strings', () => {
    const decision = sources.find(({ path }) => path === 'src/domain/decision.ts')
    expect(decision?.files).toEqual(expect.arrayContaining(['src/domain/backoff.ts', 'src/domain/outcome.ts']))
    const text = `import {
      a,
    } from 'x'
    export * from './y.js'
    import type { B } from '@c/d/e'
    const z = await import('z/sub')
    type T = import('t').T
    // import 'comment'
    const s = "import 'string'; process.env.NO"
    console.log(process['env'].HOME, globalThis)`
    expect(parse(text).imports.toSorted()).toEqual(['./y.js', '@c/d/e', 't', 'x', 'z/sub'])
    expect(parse(text).members.toSorted()).toEqual(['console.log', 'process.env'])
  })

  test('every folder of src has a level', () => {
    const folders = new Set(sources.map(({ folder }) => folder))
    expect([...folders].filter((folder) => folder !== SIMULATOR && levelOf(folder) < 0)).toEqual([])
  })

  test('every import between our files leads to a file that is there', () => {
    const known = new Set(sources.map(({ path }) => path))
    const lost = sources.flatMap(({ path, files }) =>
      files.filter((to) => !known.has(to)).map((to) => `${path} → ${to}`),
    )
    expect(lost).toEqual([])
  })

  test('imports point to lower levels, and folders of one level never import each other', () => {
    const wrong = sources.flatMap((from) =>
      from.files.filter((to) => !mayImport(from, to)).map((to) => `${from.path} → ${to}`),
    )
    expect(wrong).toEqual([])
  })

  test('no file is imported, however far around, by what it imports', () => {
    expect(cycles()).toEqual([])
  })

  test('each outside library is imported in its own folders only', () => {
    const wrong = sources
      .filter(({ path }) => !BASELINES.includes(path))
      .flatMap(({ path, folder, packages }) =>
        packages.filter((name) => !HOMES[name]?.includes(folder)).map((name) => `${path} imports ${name}`),
      )
    expect(wrong).toEqual([])
  })
})

test('domain imports nothing of Node but hashes', () => {
  const builtins = sources.filter(({ folder }) => folder === 'domain').flatMap((source) => source.builtins)
  expect([...new Set(builtins)]).toEqual(['node:crypto'])
})

/** Everything that is loaded with a file. */
function loadedWith(path: string, found = new Set<string>()): ReadonlySet<string> {
  for (const each of sources.find((source) => source.path === path)?.loads ?? []) {
    if (found.has(each)) continue
    found.add(each)
    loadedWith(each, found)
  }
  return found
}

describe('the command line starts quickly', () => {
  const packagesOf = (path: string) =>
    [...loadedWith(path)].filter((name) => !/^(src\/|node:)/.test(name)).map(packageOf)

  test('--help loads no package but commander, and few files', () => {
    const loaded = ['scripts/trackyard-batch.ts', 'src/cli/main.ts'].flatMap((path) => [path, ...loadedWith(path)])
    expect(loaded).toContain('src/cli/program.ts')
    expect(['scripts/trackyard-batch.ts', 'src/cli/main.ts'].flatMap(packagesOf)).toEqual(['commander'])
    expect(new Set(loaded.filter((name) => !name.startsWith('node:'))).size).toBeLessThanOrEqual(20)
  })

  test('no command loads the store, the queue, the API or the page before it is run', () => {
    const commands = sources.filter(({ path }) => path.startsWith('src/cli/commands/'))
    expect(commands.length).toBeGreaterThan(15)
    const wrong = commands.flatMap(({ path }) =>
      packagesOf(path)
        .filter((name) => !['commander', 'lossless-json'].includes(name))
        .map((name) => `${path} loads ${name}`),
    )
    expect(wrong).toEqual([])
  })

  test('what a command opens loads neither BullMQ nor pino; those are for a running Redis and a log', () => {
    const opened = ['src/app/entry.ts', 'src/app/parts.ts'].flatMap(packagesOf)
    expect(opened).toContain('better-sqlite3')
    for (const slow of ['bullmq', 'ioredis', 'pino', 'zod', 'hono', 'pg', 'pg-copy-streams'])
      expect(opened).not.toContain(slow)
  })
})

describe('effects have one place', () => {
  test('only config reads the environment; entry points pass it in', () => {
    expect(usesOutside(['config', ...ENTRY_POINTS], /^process\.env$/)).toEqual([])
  })

  test('only the command line and the scripts print; entry points pass the streams in', () => {
    expect(usesOutside(['cli', 'scripts'], /^console\./)).toEqual([])
    expect(usesOutside(['cli', ...ENTRY_POINTS], /^process\.std(out|err)$/)).toEqual([])
  })

  test('only app listens to signals; it and the entry points end the process', () => {
    expect(usesOutside(['app'], /^process\.(on|once|addListener|prependListener)$/)).toEqual([])
    expect(usesOutside(['app', ...ENTRY_POINTS], /^process\.(exit|exitCode|abort|reallyExit)$/)).toEqual([])
  })

  test('nobody gets at these effects by importing node:process or node:console', () => {
    const wrong = sources.filter(({ builtins }) => builtins.some((name) => /^node:(process|console)$/.test(name)))
    expect(wrong.map(({ path }) => path)).toEqual([])
  })
})

test(`no source file is longer than ${LONGEST_FILE} lines`, () => {
  expect(
    sources.filter(({ lines }) => lines > LONGEST_FILE).map(({ path, lines }) => `${path}: ${lines} lines`),
  ).toEqual([])
})
