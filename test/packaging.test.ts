/** What a stranger gets with the clone, the image and the unit file: checked as far as text and bash can tell. */
import { execFileSync, spawnSync } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { OUR_COLUMNS } from '../src/catalog/column-names.js'
import { GUARD_COLUMN } from '../src/catalog/formula-cell.js'
import { COMMANDS } from '../src/cli/program.js'
import { SECRET_FILE_NAMES, SETTING_NAMES, SETTINGS, type SettingName } from '../src/config/setting-table.js'
import { CONTROLS } from '../src/simulator/controls.js'

const root = join(import.meta.dirname, '..')
const read = (path: string): string => readFileSync(join(root, path), 'utf8')
const docs = readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.md'))
  .map((name) => `docs/${name}`)
  .concat('CONTRIBUTING.md', 'ARCHITECTURE.md')
const manifest = JSON.parse(read('package.json')) as {
  readonly scripts: Readonly<Record<string, string>>
  readonly engines: { readonly node: string }
  readonly bin: Readonly<Record<string, string>>
  readonly dependencies: Readonly<Record<string, string>>
  readonly devDependencies: Readonly<Record<string, string>>
}
interface LockedPackage {
  readonly engines?: { readonly node: string }
  readonly dependencies?: Readonly<Record<string, string>>
  readonly devDependencies?: Readonly<Record<string, string>>
  readonly optionalDependencies?: Readonly<Record<string, string>>
}
const locked = new Map(
  Object.entries((JSON.parse(read('package-lock.json')) as { packages: Record<string, LockedPackage> }).packages),
)
/** `^20.20.0 || ^22.13.0` → 20, 22: what package.json declares. */
const nodeLines = [...manifest.engines.node.matchAll(/\^(\d+)\./g)].map((match) => match[1] ?? '')
const shellScripts = ['.ci/run', 'scripts/setup.sh', 'scripts/node-versions.sh', 'scripts/try-package.sh']

/** The lines under `  name:` of a compose file, up to the next key as far left. */
function composeService(name: string): string {
  const services = read('docker-compose.yml').split(/^services:$/m)[1] ?? ''
  return services.split(/^ {2}(?=\w)/m).find((block) => block.startsWith(`${name}:`)) ?? ''
}

describe('the clone', () => {
  test('the lock names no registry host', () => {
    expect(read('package-lock.json').match(/"resolved"|https?:[^"]*\.tgz/g) ?? []).toEqual([])
  })

  test('the lock holds the optional packages of every platform', () => {
    /** npm looks for a dependency in the package itself, then in each folder above it. */
    const holds = (path: string, name: string): boolean => {
      if (locked.has(`${path === '' ? '' : `${path}/`}node_modules/${name}`)) return true
      return path !== '' && holds(path.slice(0, Math.max(0, path.lastIndexOf('/node_modules/'))), name)
    }
    const optional = [...locked].flatMap(([path, each]) =>
      Object.keys(each.optionalDependencies ?? {}).map((name) => ({ path, name })),
    )
    expect(optional.length).toBeGreaterThan(20)
    expect(optional.filter(({ path, name }) => !holds(path, name))).toEqual([])
  })

  test('the lock was written for this package.json', () => {
    const { engines, dependencies, devDependencies } = manifest
    expect(locked.get('')).toMatchObject({ engines, dependencies, devDependencies })
  })

  test('scripts/node-versions.sh tries every line of Node that package.json declares', () => {
    expect(nodeLines).toContain('20')
    expect(
      read('scripts/node-versions.sh')
        .match(/\|\| versions=\((.*)\)/)?.[1]
        ?.split(' '),
    ).toEqual(nodeLines)
  })

  test.each([['--only'], ['--only', 'lts'], ['22']])(
    'scripts/node-versions.sh explains its usage after %p %p',
    (...options) => {
      const run = spawnSync('bash', [join(root, 'scripts/node-versions.sh'), ...options], {
        encoding: 'utf8',
        timeout: 20_000,
      })
      expect(run).toMatchObject({
        status: 2,
        stderr: expect.stringContaining('Usage: scripts/node-versions.sh [--only'),
      })
    },
  )

  test('test:unit names folders that need neither Redis nor a build', () => {
    const paths = (manifest.scripts['test:unit'] ?? '').match(/\btest\/[\w./-]+/g) ?? []
    const files = paths.flatMap((path) =>
      path.endsWith('.ts') ? [path] : readdirSync(join(root, path)).map((name) => `${path}/${name}`),
    )
    expect(files.length).toBeGreaterThan(40)
    expect(
      files.filter((path) =>
        /support\/(redis|system-under-test|in-process-system|service)|private-redis\.js|'redis-server'|dist\//.test(
          read(path),
        ),
      ),
    ).toEqual([])
  })

  test.each(shellScripts)('%s can be executed, starts bash and is well formed', (path) => {
    expect(statSync(join(root, path)).mode & 0o111).toBe(0o111)
    expect(read(path)).toMatch(/^#!\/usr\/bin\/env bash\n/)
    execFileSync('bash', ['-n', join(root, path)])
  })

  test('the command is built from a source file that starts with a shebang for node', () => {
    const source = Object.values(manifest.bin).map((path) => path.replace(/^dist\//, '').replace(/\.js$/, '.ts'))
    expect(source).toEqual(['scripts/trackyard-batch.ts'])
    expect(read('scripts/trackyard-batch.ts')).toMatch(/^#!\/usr\/bin\/env node\n/)
  })

  test('nothing is run through npx, which fetches a stranger of that name when the install has failed', () => {
    const texts = [...shellScripts, 'Dockerfile', 'README.md', 'package.json', ...docs]
    expect(texts.filter((path) => /^[^#]*\bnpx\b/m.test(read(path)))).toEqual([])
  })

  test('every npm script that the documents and the build name is there', () => {
    const texts = [...shellScripts, 'Dockerfile', 'README.md', 'package.json', ...docs].map(read).join('\n')
    const named = [...texts.matchAll(/\bnpm run (?:--?\w+ )*([a-z][\w:-]*)/g)].map((match) => match[1] ?? '')
    expect(named).toContain('lint')
    expect(named.filter((name) => manifest.scripts[name] === undefined)).toEqual([])
  })

  test('every file of ours that a document points to is there', () => {
    const lost = ['README.md', 'CHANGELOG.md', 'docker-compose.yml', ...docs].flatMap((path) =>
      [...read(path).matchAll(/\b((?:docs|scripts|workers|test|src)\/[\w./-]+\.(?:md|ts|sh|yml))\b/g)]
        .map((match) => match[1] ?? '')
        .filter((name) => !existsSync(join(root, name)))
        .map((name) => `${path} → ${name}`),
    )
    expect(lost).toEqual([])
  })
})

describe('the settings', () => {
  test('every setting that a document or a container names is one that the configuration reads', () => {
    const known = [...SETTING_NAMES, ...SECRET_FILE_NAMES]
    const texts = ['README.md', 'CHANGELOG.md', '.env.example', 'Dockerfile', 'docker-compose.yml', ...docs]
    const unknown = texts.flatMap((path) =>
      [...read(path).matchAll(/\bTRACKYARD_[A-Z_]*[A-Z]\b/g)]
        .map((match) => match[0])
        .filter((name) => !known.includes(name))
        .map((name) => `${path}: ${name}`),
    )
    expect(unknown).toEqual([])
  })

  test('.env.example holds every setting once, commented out, with its default', () => {
    const lines = [...read('.env.example').matchAll(/^#?(TRACKYARD_\w+=.*)$/gm)].map((match) => match[0])
    const expected = SETTING_NAMES.map((name) => `#${name}=${SETTINGS[name].default ?? ''}`)
    expect(lines.sort()).toEqual(expected.sort())
  })
})

describe('the README', () => {
  test('its first two command lines install everything and run the demo and the tests', () => {
    const lines = [...read('README.md').matchAll(/^```sh\n(.*)\n/gm)].map((match) => match[1])
    expect(lines.slice(0, 2)).toEqual(['npm install && npm run demo', 'npm install && npm test'])
  })

  test('it has at most 1,000 words', () => {
    expect(read('README.md').split(/\s+/).length).toBeLessThanOrEqual(1000)
  })
})

/** The words for defaults that are no fixed text. */
const WORKED_OUT: Readonly<Partial<Record<SettingName, string>>> = {
  TRACKYARD_API_KEY: 'none; required to call the real API',
  TRACKYARD_DATA_DIR: '$XDG_STATE_HOME/trackyard-batch or ~/.local/state/trackyard-batch',
  TRACKYARD_REDIS_URL: 'a private Redis in the data directory',
  TRACKYARD_REDIS_CA_FILE: 'the certificates that Node.js trusts',
  TRACKYARD_DATABASE_URL: 'a SQLite file in the data directory',
  TRACKYARD_DATABASE_CA_FILE: 'the certificates that Node.js trusts',
  TRACKYARD_ACTIVE_HOURS: 'always',
  TRACKYARD_TIME_ZONE: "the system's",
  TRACKYARD_BOARD_PASSWORD: 'none; required off loopback, with 12 characters or more',
}

describe('the reference', () => {
  const page = (name: string): string => read(`docs/reference/${name}.md`)
  /** The cells of every table row that begins like this. */
  const rows = (name: string, pattern: RegExp): string[][] =>
    page(name)
      .split('\n')
      .filter((line) => pattern.test(line))
      .map((line) =>
        line
          .split('|')
          .slice(1, -1)
          .map((cell) => cell.trim()),
      )

  test('its settings are those of the program, each with its default and a meaning', () => {
    const table = rows('settings', /^\| `TRACKYARD_/)
    const expected = SETTING_NAMES.map((name) => [`\`${name}\``, SETTINGS[name].default ?? WORKED_OUT[name] ?? 'none'])
    expect(table.map(([name, byDefault]) => [name, byDefault])).toEqual(expected)
    expect(table.filter(([, byDefault, meaning]) => !byDefault || !meaning)).toEqual([])
  })

  test('its commands are those of the program, and each example names its own', () => {
    const table = (page('commands').match(/^\| command \|[\s\S]*?\n\n/m)?.[0] ?? '').split('\n').slice(2)
    const commands = table.flatMap((line) => line.match(/^\| `([\w-]+)/)?.[1] ?? [])
    expect(commands.sort()).toEqual(COMMANDS.map((command) => command.name).sort())
    const strangers = table.filter(
      (line) => line !== '' && !/^\| `([\w-]+).*\| `.*trackyard-batch \1\b.*` \|$/.test(line),
    )
    expect(strangers).toEqual([])
  })

  test('its exit codes are those that the program ends with', () => {
    const codes = rows('exit-codes', /^\| \d+ \|/).map(([code]) => Number(code))
    const source = read('src/domain/errors.ts').match(/export type ExitCode = (.*)/)?.[1] ?? ''
    expect(codes).toEqual([...source.split(' | ').map(Number), 130])
  })

  test('it names every control of the simulator', () => {
    const words = new Set([...page('commands').matchAll(/`(?:GET |POST )?(\/[a-z-]+)`/g)].map((match) => match[1]))
    expect(Object.keys(CONTROLS).filter((name) => !words.has(name.replace(/^\w+ /, '')))).toEqual([])
  })

  test('every metric that it names is served, and it names every one', () => {
    const named = [...page('board').matchAll(/`(trackyard_[a-z_]+)`/g)].map((match) => match[1] ?? '')
    const served = [...read('src/web/metrics.ts').matchAll(/'(trackyard_[a-z_]+)'/g)].map((match) => match[1] ?? '')
    expect(served.length).toBeGreaterThan(10)
    expect(new Set(named)).toEqual(new Set(served))
  })

  test('every column that an export adds is named, and no other', () => {
    const named = [...page('files').matchAll(/`(trackyard_[a-z_]+)`/g)].map((match) => match[1] ?? '')
    expect(new Set(named)).toEqual(new Set([...OUR_COLUMNS, GUARD_COLUMN]))
  })

  test('its log events are those that the program writes', () => {
    const sources = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })
      // The webhook's events are not the log's.
      .filter((name) => /\.tsx?$/.test(name) && !/\bnotification(-messages)?\.ts$/.test(name))
      .map((name) => read(`src/${name}`))
    const uses = sources.flatMap((text) => [...text.matchAll(/\bevent: ([^,}\n]*)/g)].map((match) => match[1] ?? ''))
    // Their absence has events of its own: these two are never written.
    const unwritten = read('src/queue/refused-commands.ts').match(/OUTAGES.* = \[(.*)\]/)?.[1] ?? ''
    const kinds = read('src/queue/redis-error.ts').match(/kind: '.*'/g) ?? []
    const written = [...[...uses, ...kinds].join(' ').matchAll(/'([a-z_]+\.[a-z_]+)'/g)].map((match) => match[1] ?? '')
    expect(uses.length).toBeGreaterThan(60)
    // Nothing but a literal, or a choice of two, would be found here.
    const computed = uses.filter((use) => !/'[a-z_]+\.[a-z_]+' ?$/.test(use))
    expect(computed.sort()).toEqual(["'connect' | 'secureConnect'", 'failure.kind', 'string'])
    const named = rows('logs', /^\| `/).map(([event = '']) => event.replaceAll('`', ''))
    expect(named).toEqual([...new Set(written)].filter((event) => !unwritten.includes(`'${event}'`)).sort())
  })

  test('every source file that the architecture names is there', () => {
    const named = [
      ...`${read('ARCHITECTURE.md')}${read('CONTRIBUTING.md')}`.matchAll(/`((?:src|test|scripts)\/[\w./-]+)`/g),
    ]
    expect(named.length).toBeGreaterThan(20)
    expect(named.map((match) => match[1] ?? '').filter((path) => !existsSync(join(root, path)))).toEqual([])
  })
})

describe('the image and docker-compose.yml', () => {
  test('images are pinned by version and digest', () => {
    const images = [
      ...read('Dockerfile').matchAll(/^ARG NODE_IMAGE=(.*)$/gm),
      ...read('docker-compose.yml').matchAll(/^ {4}image: (.*)$/gm),
    ].map((match) => match[1] ?? '')
    // No digest of PostgreSQL's image could be checked; the file says how to add one.
    const pinned = images.filter((image) => !/^postgres:\d+\.\d+-bookworm$/.test(image))
    expect(pinned).toHaveLength(images.length - 1)
    for (const image of pinned) expect(image).toMatch(/^\w+:\d+\.\d+\.\d+-bookworm(-slim)?@sha256:[0-9a-f]{64}$/)
  })

  test('both stages of the image run on a Node line of package.json; the last is not root', () => {
    const dockerfile = read('Dockerfile')
    expect(dockerfile.match(/^FROM .*/gm)).toHaveLength(2)
    expect(dockerfile.match(/^FROM \$\{NODE_IMAGE\}/gm)).toHaveLength(2)
    expect(nodeLines).toContain(dockerfile.match(/^ARG NODE_IMAGE=node:(\d+)\./m)?.[1])
    expect(dockerfile.split(/^FROM /m).at(-1)).toMatch(/^USER node$/m)
  })

  test('the entry point is the command of package.json', () => {
    const entry = JSON.parse(read('Dockerfile').match(/^ENTRYPOINT (.*)$/m)?.[1] ?? 'null')
    expect(entry).toEqual(['node', ...Object.values(manifest.bin)])
  })

  test('the build sees what the Dockerfile copies and nothing else: no .env, no secrets, no .git', () => {
    const copied = [...read('Dockerfile').matchAll(/^COPY (?!--)(.+) \S+$/gm)].flatMap((match) =>
      (match[1] ?? '').split(' ').map((path) => path.replace('./', '')),
    )
    const rules = read('.dockerignore')
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('#'))
    expect(rules[0]).toBe('*')
    expect(rules.slice(1).sort()).toEqual(copied.map((path) => `!${path}`).sort())
    expect(copied.filter((path) => !existsSync(join(root, path)))).toEqual([])
  })

  test('redis keeps every write, evicts nothing and stores small jobs compactly', () => {
    const redis = composeService('redis')
      .split('\n')
      .map((line) => line.trim().replace(/^- |'/g, ''))
    const setting = (name: string): string | undefined => redis[redis.indexOf(`--${name}`) + 1]?.replaceAll(/['"]/g, '')
    expect(['appendonly', 'appendfsync', 'maxmemory-policy', 'hash-max-listpack-value'].map(setting)).toEqual([
      'yes',
      'everysec',
      'noeviction',
      '1024',
    ])
  })

  test('the board is published to this machine only and its password is never written down', () => {
    const ports = composeService('board').match(/^ {4}ports:\n((?: {6}.*\n)+)/m)?.[1]
    expect(ports?.trim()).toBe('- 127.0.0.1:3210:3210')
    const published = [...read('docker-compose.yml').matchAll(/^ {4}ports:\n((?: {6}.*\n)+)/gm)].map(
      (match) => match[1],
    )
    expect(published.map((each) => each?.trim())).toEqual(['- 127.0.0.1:3210:3210', '- 127.0.0.1:3211:3210'])
    expect(read('docker-compose.yml')).not.toMatch(/TRACKYARD_BOARD_PASSWORD:/)
    expect(composeService('board')).toMatch(/TRACKYARD_BOARD_PASSWORD_FILE: \/run\/secrets\/board_password/)
  })

  test('every service has a health check; that of the worker is a command of the image and its options', () => {
    for (const name of ['redis', 'worker', 'board'])
      expect(composeService(name)).toMatch(/^ {4}healthcheck:\n(?: {6}#.*\n)? {6}test:[\s\S]*^ {6}retries: \d+$/m)
    const check = composeService('worker').match(/^ {6}test:\n((?: {8}.*\n)+)/m)?.[1] ?? ''
    expect(
      check
        .trim()
        .split(/\n {8}- /)
        .slice(-3),
    ).toEqual(['trackyard-batch', 'worker', '--healthy'])
  })

  test('a worker gets the API key from a file, and time to finish its calls; a board has no key', () => {
    const service = composeService('worker')
    expect(service).toMatch(/<<: \*trackyard/)
    expect(service).toMatch(/TRACKYARD_API_KEY_FILE: \/run\/secrets\/trackyard_api_key/)
    expect(service).not.toMatch(/TRACKYARD_API_KEY:/)
    const shared = read('docker-compose.yml').split(/^services:$/m)[0] ?? ''
    expect(Number(shared.match(/stop_grace_period: (\d+)s/)?.[1])).toBeGreaterThan(25)
    expect(shared).toMatch(/condition: service_healthy/)
  })
})

describe('scripts/setup.sh on other machines', () => {
  let bin: string
  beforeEach(() => {
    bin = mkdtempSync(join(tmpdir(), 'trackyard-setup-'))
    for (const name of ['bash', 'tail']) link(name)
  })
  afterEach(() => rmSync(bin, { recursive: true, force: true }))

  function link(name: string): void {
    symlinkSync(execFileSync('bash', ['-c', `command -v ${name}`], { encoding: 'utf8' }).trim(), join(bin, name))
  }
  function program(name: string, script: string): void {
    writeFileSync(join(bin, name), `#!${join(bin, 'bash')}\n${script}\n`)
    chmodSync(join(bin, name), 0o755)
  }
  function setup(...options: string[]): { code: number | null; out: string; said: string } {
    const script = join(root, 'scripts/setup.sh')
    const run = spawnSync(join(bin, 'bash'), [script, ...options], {
      env: { PATH: bin },
      encoding: 'utf8',
      timeout: 50_000,
    })
    return { code: run.status, out: run.stdout, said: run.stderr }
  }
  /** An apt-get that needs fresh lists first, then leaves the program of that name behind. */
  const staleApt = `echo "$*" >>'LOG'
case "$1" in
  update) : >'BIN/updated' ;;
  install) [ -e 'BIN/updated' ] || { echo 'E: Unable to locate package'; exit 100; }; ln -s "$BASH" "BIN/\${@: -1}" ;;
esac`
  function apt(script: string): void {
    program('apt-get', script.replaceAll('BIN', bin).replaceAll('LOG', join(bin, 'apt.log')))
    program('env', 'shift; exec "$@"')
    link('ln')
  }
  const asked = (): string[] => readFileSync(join(bin, 'apt.log'), 'utf8').trim().split('\n')

  test('it says nothing and does nothing when all is there', () => {
    program('redis-server', 'exit 9')
    program('timeout', 'exit 9')
    expect(setup()).toEqual({ code: 0, out: '', said: '' })
  })

  test('as root it installs what is missing, and refreshes the lists only when the package is not to be had', () => {
    program('id', 'echo 0')
    program('timeout', '')
    apt(staleApt)
    expect(setup().code).toBe(0)
    expect(asked().map((line) => line.split(' ')[0])).toEqual(['install', 'update', 'install'])
    expect(setup()).toEqual({ code: 0, out: '', said: '' })
    rmSync(join(bin, 'redis-server'))
    expect(setup().code).toBe(0)
    expect(asked()).toHaveLength(4)
  })

  test('without root it goes through sudo, which may not ask for a password where nobody can answer', () => {
    program('id', 'echo 1000')
    program('timeout', '')
    program('sudo', '[ "$1" = -n ] || exit 1; shift; exec "$@"')
    apt(staleApt)
    expect(setup().code).toBe(0)
    expect(existsSync(join(bin, 'redis-server'))).toBe(true)
  })

  test('without root and sudo it prints the command to run, and fails', () => {
    program('id', 'echo 1000')
    program('timeout', '')
    apt(staleApt)
    const { code, said } = setup()
    expect(code).toBe(1)
    expect(said).toContain('\n  apt-get update && apt-get install -y --no-install-recommends redis-server\n')
    expect(existsSync(join(bin, 'apt.log'))).toBe(false)
  })

  describe('the Redis service that Debian starts with the package', () => {
    const log = (): string[] => readFileSync(join(bin, 'service.log'), 'utf8').trim().split('\n')
    /** A program of that name that notes how it was called. */
    const noted = (name: string, code: number): void =>
      program(name, `echo "${name} $*" >>'${join(bin, 'service.log')}'; exit ${code}`)
    beforeEach(() => {
      program('timeout', '')
      apt(staleApt)
      noted('service', 0)
      noted('update-rc.d', 0)
    })

    test('is stopped and disabled by systemd', () => {
      program('id', 'echo 0')
      noted('systemctl', 0)
      expect(setup().code).toBe(0)
      expect(log()).toEqual(['systemctl --quiet disable --now redis-server'])
    })

    test('is stopped and disabled without systemd, or where it does not run', () => {
      program('id', 'echo 0')
      noted('systemctl', 1)
      expect(setup().code).toBe(0)
      expect(log().slice(1)).toEqual(['service redis-server stop', 'update-rc.d redis-server disable'])
    })

    test('is left alone when redis-server was there before', () => {
      program('id', 'echo 0')
      noted('systemctl', 0)
      program('redis-server', '')
      expect(setup('--with-chromium').code).toBe(0)
      expect(asked()).not.toEqual([])
      expect(existsSync(join(bin, 'service.log'))).toBe(false)
    })

    test('that cannot be stopped is named with the command, and setup goes on', () => {
      program('id', 'echo 1000')
      program('sudo', 'shift; exec "$@"')
      noted('systemctl', 1)
      noted('service', 1)
      expect(setup()).toMatchObject({
        code: 0,
        said: expect.stringContaining('\n  sudo systemctl disable --now redis-server\n'),
      })
    })
  })

  test('when the installation fails it shows why and the command, and fails', () => {
    program('id', 'echo 0')
    program('timeout', '')
    apt('echo "E: no network"; exit 100')
    const { code, said } = setup()
    expect(code).toBe(1)
    expect(said).toContain('E: no network')
    expect(said).toContain('apt-get install -y --no-install-recommends redis-server')
  })

  test('where no package manager is known it names what is missing, and fails', () => {
    program('id', 'echo 1000')
    program('timeout', '')
    expect(setup()).toMatchObject({ code: 1, said: expect.stringContaining('redis-server is missing') })
  })

  test('chromium is looked for only when it is asked for', () => {
    program('id', 'echo 1000')
    program('redis-server', '')
    program('timeout', '')
    expect(setup().code).toBe(0)
    expect(setup('--with-chromium')).toMatchObject({ code: 1, said: expect.stringContaining('chromium is missing') })
    expect(setup('--chromium').code).toBe(2)
  })
})

test('every file that Jest begins with, because it is slow, is there', () => {
  const names = [...read('test/support/slowest-first.mjs').matchAll(/^ {2}'(.+)',$/gm)].map((match) => match[1] ?? '')
  const files = readdirSync(join(root, 'test'), { recursive: true, encoding: 'utf8' })
  expect(names.length).toBeGreaterThan(10)
  expect(names.filter((name) => !files.some((file) => file.startsWith(name)))).toEqual([])
})
