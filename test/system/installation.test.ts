import { execFile } from 'node:child_process'
import { cp, mkdir, mkdtemp, readdir, realpath, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals'

/** better-sqlite3 that cannot be loaded: a copy of the installation is broken for real. */
const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const COMPILED = 'build/Release/better_sqlite3.node'

let dir: string
beforeAll(async () => {
  dir = await realpath(await mkdtemp(join(tmpdir(), 'installation-')))
  await cp(join(ROOT, 'dist'), join(dir, 'dist'), { recursive: true })
  await cp(join(ROOT, 'package.json'), join(dir, 'package.json'))
  await mkdir(join(dir, 'node_modules'))
  for (const name of await readdir(join(ROOT, 'node_modules'))) {
    if (name !== 'better-sqlite3') await symlink(join(ROOT, 'node_modules', name), join(dir, 'node_modules', name))
  }
})
afterAll(() => rm(dir, { recursive: true, force: true }))
afterEach(() => rm(join(dir, 'node_modules', 'better-sqlite3'), { recursive: true }))

/** The program with all its packages, and a better-sqlite3 of its own that was never built. Where that lies. */
async function install(packages = 'node_modules'): Promise<string> {
  const driver = join(dir, packages, 'better-sqlite3')
  for (const part of ['package.json', 'lib'])
    await cp(join(ROOT, 'node_modules', 'better-sqlite3', part), join(driver, part), { recursive: true })
  if (packages === 'node_modules') return driver
  for (const name of ['bindings', 'file-uri-to-path'])
    await cp(join(ROOT, 'node_modules', name), join(dir, packages, name), { recursive: true })
  await symlink(driver, join(dir, 'node_modules', 'better-sqlite3'))
  return driver
}

async function compiled(driver: string, bytes: Buffer | string): Promise<void> {
  await mkdir(join(driver, 'build', 'Release'), { recursive: true })
  await writeFile(join(driver, COMPILED), bytes)
}

async function run(entry: string, ...args: string[]): Promise<{ code: number; stderr: string }> {
  const env = { PATH: process.env.PATH, HOME: dir, TRACKYARD_API_KEY: 'a-key', TRACKYARD_DATA_DIR: join(dir, 'data') }
  return promisify(execFile)(process.execPath, [join(dir, 'dist', entry), ...args], { env, cwd: dir }).then(
    ({ stderr }) => ({ code: 0, stderr }),
    (error: { code: number; stderr: string }) => error,
  )
}

test('never built: the command is named, by commands and workers alike', async () => {
  await install()
  for (const entry of ['scripts/trackyard-batch.js', 'workers/worker.js']) {
    const { code, stderr } = await run(entry, 'status')
    expect(code).toBe(78)
    expect(stderr).toContain(`was not built: its install script did not run`)
    expect(stderr).toContain(`Run \`npm rebuild better-sqlite3\` in ${dir}.`)
    expect(stderr).not.toMatch(/→|this is a bug|disk space/i)
  }
}, 240_000)

test('pnpm without approval: its own commands are named', async () => {
  await install('node_modules/.pnpm/better-sqlite3@12.0.0/node_modules')
  const { code, stderr } = await run('scripts/trackyard-batch.js', 'status')
  expect(code).toBe(78)
  expect(stderr).toContain(
    `Run \`pnpm approve-builds\`, choose better-sqlite3, then \`pnpm rebuild better-sqlite3\` in ${dir}.`,
  )
}, 240_000)

test('built for another version of Node: both versions and the command are named', async () => {
  const driver = await install()
  await compiled(driver, await moduleOfNode(127))
  const { code, stderr } = await run('scripts/trackyard-batch.js', 'status')
  expect(code).toBe(78)
  expect(stderr).toContain(
    `was built for another version of Node (module version 127; this is Node ${process.version}, ${process.versions.modules})`,
  )
  expect(stderr).toContain('npm rebuild better-sqlite3')
}, 240_000)

test('built for another system, or cut off: the machine and the command are named', async () => {
  const driver = await install()
  await compiled(driver, 'MZ this is no library of this system')
  const { code, stderr } = await run('scripts/trackyard-batch.js', 'status')
  expect(code).toBe(78)
  expect(stderr).toMatch(
    new RegExp(`cannot be loaded on this machine \\(${process.platform} ${process.arch}: .*npm rebuild`, 's'),
  )
}, 240_000)

/** A library that tells Node its version when it is loaded, as those do that are not built for all versions. */
async function moduleOfNode(version: number): Promise<Buffer> {
  const source = join(dir, 'old.c')
  const library = join(dir, 'old.node')
  await writeFile(
    source,
    `struct module { int version; unsigned flags; void *handle; const char *file; void *a; void *b; const char *name; void *p; void *l; };
     static struct module me = { ${version}, 0, 0, "old.c", 0, 0, "better_sqlite3", 0, 0 };
     extern void node_module_register(void *);
     __attribute__((constructor)) static void tell(void) { node_module_register(&me); }`,
  )
  await promisify(execFile)('cc', ['-shared', '-fPIC', '-Wl,--unresolved-symbols=ignore-all', '-o', library, source])
  const { readFile } = await import('node:fs/promises')
  return readFile(library)
}
