/** What `npm pack` would hand to a user. scripts/try-package.sh installs it for real, which takes a minute. */
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join, posix } from 'node:path'
import { beforeAll, expect, test } from '@jest/globals'

const root = join(import.meta.dirname, '../..')
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
  readonly bin: Readonly<Record<string, string>>
  readonly dependencies: Readonly<Record<string, string>>
  readonly exports: ExportedPaths
  readonly repository: { readonly url: string }
  readonly homepage: string
  readonly bugs: { readonly url: string }
}

/** A path, or one for each condition such as `import` and `types`. */
type ExportedPaths = string | { readonly [name: string]: ExportedPaths }

function pathsIn(exported: ExportedPaths): readonly string[] {
  return typeof exported === 'string' ? [exported] : Object.values(exported).flatMap(pathsIn)
}

let packed: readonly string[]
beforeAll(() => {
  // Without the scripts: prepack would build, and other tests run what is built.
  const report = execFileSync('npm', ['pack', '--dry-run', '--ignore-scripts', '--json'], {
    cwd: root,
    encoding: 'utf8',
  })
  const [archive] = JSON.parse(report) as { readonly files: readonly { readonly path: string }[] }[]
  packed = (archive?.files ?? []).map(({ path }) => path)
})

test('every file in the package is of a kind that a user needs', () => {
  const needed = [
    /^dist\/src\/.+\.(js|d\.ts)$/,
    /^dist\/src\/app\/commonjs\.(cjs|d\.cts)$/,
    /^dist\/src\/(web\/assets\/[\w-]+\.(css|svg)|simulator\/word-lists\.json)$/,
    /^dist\/workers\/(worker|board|check-store)\.(js|d\.ts)$/,
    /^dist\/scripts\/trackyard-batch\.js$/,
    /^docs\/.+\.(md|png|svg)$/,
    /^docs\/(monitoring|reference)\/[\w-]+\.(json|yml)$/,
    /^scripts\/(sample-catalog\.csv|submit\.ts)$/,
    /^(package\.json|(README|CHANGELOG|CONTRIBUTING|ARCHITECTURE)\.md|LICENSE|\.env\.example)$/,
  ]
  expect(packed.length).toBeGreaterThan(100)
  expect(packed.filter((path) => !needed.some((pattern) => pattern.test(path)))).toEqual([])
})

test('the package holds the licence, the settings and every file that package.json names', () => {
  const entries = [...Object.values(manifest.bin), ...pathsIn(manifest.exports)]
  const expected = [
    'LICENSE',
    'README.md',
    'CHANGELOG.md',
    '.env.example',
    'dist/workers/worker.js',
    'dist/workers/board.js',
  ]
  const paths = [...expected, ...entries.map((path) => posix.normalize(path))]
  expect(paths.filter((path) => !packed.includes(path))).toEqual([])
})

test('what the package loads is in it, or a dependency; each dependency is loaded', () => {
  const loaded = packed
    .filter((path) => /\.c?js$/.test(path))
    .flatMap((path) => {
      const code = readFileSync(join(root, path), 'utf8')
      const names = [
        ...code.matchAll(/(?:^import|\bfrom|\bimport\(|createRequire\(import\.meta\.url\)\() ?'([^'\s]+)'/gm),
      ].map((match) => match[1] ?? '')
      return names.map((name) => (name.startsWith('.') ? posix.join(posix.dirname(path), name) : name))
    })
    .filter((name) => !name.startsWith('node:'))
  const files = loaded.filter((name) => name.startsWith('dist/'))
  expect(files.filter((path) => !packed.includes(path))).toEqual([])
  const packages = loaded
    .filter((name) => !name.startsWith('dist/'))
    .map((name) =>
      name
        .split('/')
        .slice(0, name.startsWith('@') ? 2 : 1)
        .join('/'),
    )
  expect([...new Set(packages)].sort()).toEqual(Object.keys(manifest.dependencies).sort())
})

test('every link in the documents of the package leads into the package or to a URL', () => {
  const documents = packed.filter((path) => path.endsWith('.md'))
  const links = documents.flatMap((document) =>
    [...readFileSync(join(root, document), 'utf8').matchAll(/\]\((?!https?:|#)([^)#\s]+)/g)].map((match) => ({
      document,
      link: posix.join(posix.dirname(document), match[1] ?? ''),
    })),
  )
  expect(links.map(({ link }) => link)).toContain('scripts/submit.ts')
  expect(links.filter(({ link }) => !packed.includes(link))).toEqual([])
})

test('the sample catalog that the README submits is in the package', () => {
  const submitted = [...readFileSync(join(root, 'README.md'), 'utf8').matchAll(/cp (scripts\/\S+\.csv)/g)]
  expect(submitted.length).toBeGreaterThan(0)
  expect(submitted.filter((match) => !packed.includes(match[1] ?? ''))).toEqual([])
})

test('no file of the package names a source map that is not there', () => {
  const code = packed.filter((path) => path.endsWith('.js'))
  expect(code.filter((path) => readFileSync(join(root, path), 'utf8').includes('sourceMappingURL'))).toEqual([])
})

test('homepage and bug reports are at the repository', () => {
  const repository = manifest.repository.url.replace(/^git\+|\.git$/g, '')
  expect(manifest.homepage).toBe(`${repository}#readme`)
  expect(manifest.bugs.url).toBe(`${repository}/issues`)
})
