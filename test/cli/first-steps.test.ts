import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { chmod, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { postgresBinaries, startPostgresServer } from '../../scripts/postgres-server.js'
import { isSupportedNode } from '../../src/app/doctor.js'
import type { DocumentBody } from '../../src/cli/documents.js'
import { SIMULATOR_KEY } from '../../src/simulator/options.js'
import { openStore } from '../../src/store/open-store.js'
import { startCluster } from '../support/redis-groups.js'
import { until } from '../support/until.js'
import { CATALOG, type Desk, openDesk, QUERY } from './setup.js'

/** What a new user runs first: init, doctor, completion. */
let desk: Desk
beforeAll(async () => {
  desk = await openDesk()
  await desk.file('films.csv', CATALOG)
})
afterAll(() => desk.close())

const doctor = async (env: Record<string, string> = {}) => {
  const { code, stdout } = await desk.type(['doctor', '--json'], { env })
  const { ok, checks, error }: DocumentBody<'doctor'> & { error?: unknown } = JSON.parse(stdout)
  expect(error).toBeUndefined()
  return { code, ok, checks, of: (name: string) => checks.find((check) => check.name === name) }
}

describe('doctor', () => {
  test('before the first command: all is well, and nothing is made', async () => {
    const { code, ok, checks } = await doctor({ TRACKYARD_DATA_DIR: join(desk.dir, 'new', 'place') })
    expect(checks.filter(({ state }) => state === 'failed')).toEqual([])
    expect([code, ok]).toEqual([0, true])
    expect(checks.map(({ name }) => name)).toEqual(
      expect.arrayContaining([
        'Node',
        'settings',
        'data directory',
        'disk',
        'store',
        'Redis',
        'notifications',
        'API key',
        'clock',
      ]),
    )
    await expect(stat(join(desk.dir, 'new'))).rejects.toThrow('ENOENT')
  })

  test('for people: a line for each check, and what to do below those that fail', async () => {
    const { code, stdout } = await desk.type(['doctor'], { env: { TRACKYARD_API_KEY: 'wrong' } })
    expect(code).toBe(1)
    expect(stdout).toMatch(/^FAIL {2}API key +the API refuses it \(401\)\n +Check TRACKYARD_API_KEY/m)
    expect(stdout).toMatch(/^ok {4}Node +v/m)
    expect(stdout).toMatch(/\n1 check failed\.\n$/)
    expect(stdout).not.toContain(SIMULATOR_KEY)
  })

  test('settings that cannot work, an API and a Redis that are away, each with a remedy', async () => {
    expect((await doctor({ TRACKYARD_CONCURRENCY: 'many' })).of('settings')).toMatchObject({ state: 'failed' })
    const away = await doctor({
      TRACKYARD_API_URL: 'http://127.0.0.1:1',
      TRACKYARD_REDIS_URL: 'redis://127.0.0.1:1',
      TRACKYARD_DATA_DIR: `${desk.dataDir}-2`,
    })
    for (const name of ['API', 'Redis']) {
      const check = away.of(name)
      expect([name, check?.state, `${check?.found} ${check?.remedy}`]).toEqual([
        name,
        'failed',
        expect.stringMatching(/(Check|correct) TRACKYARD_/),
      ])
    }
  })

  test('a store: whole, of another API, damaged', async () => {
    await desk.json(['submit', 'films.csv', '--query', QUERY])
    await desk.work()
    expect((await doctor()).of('store')).toMatchObject({ state: 'ok', found: expect.stringContaining('is whole') })
    expect((await doctor({ TRACKYARD_API_URL: 'https://api.example.com' })).of('API')).toMatchObject({
      state: 'failed',
      found: expect.stringContaining('belongs to the API'),
    })
    const path = join(desk.dataDir, 'trackyard.db')
    const before = await readFile(path)
    await writeFile(path, Buffer.concat([before.subarray(0, 4096), Buffer.alloc(8192, 7), before.subarray(12_288)]))
    expect((await doctor()).of('store')).toMatchObject({ state: 'failed', remedy: expect.stringContaining('backup') })
    await writeFile(path, before)
  })

  test('notifications: whether a webhook is set, and those that wait longer than a minute', async () => {
    const url = 'https://hooks.test/T0P-SECRET'
    const env = { TRACKYARD_DATA_DIR: `${desk.dataDir}-notifications` }
    const found = async (more: Record<string, string> = {}) => (await doctor({ ...env, ...more })).of('notifications')
    expect(await found()).toMatchObject({ state: 'ok', found: 'TRACKYARD_WEBHOOK_URL is not set' })
    await desk.type(['status'], { env })
    const store = await openStore({ path: join(env.TRACKYARD_DATA_DIR, 'trackyard.db') })
    const add = (text: string, at: number) =>
      store.notifications.add({ event: 'batch.done', text, batch: null, figures: {} }, at)
    await add('now', Date.now())
    const set = { TRACKYARD_WEBHOOK_URL: url }
    expect(await found(set)).toMatchObject({ state: 'ok', found: 'TRACKYARD_WEBHOOK_URL is set', remedy: null })
    await add('long ago', Date.now() - 25 * 3_600_000)
    expect(await found(set)).toMatchObject({ state: 'ok' })
    await add('before', Date.now() - 120_000)
    const late = await found(set)
    expect(late).toMatchObject({ state: 'warning', remedy: expect.stringContaining('webhook.failed') })
    expect(late?.found).toMatch(/^TRACKYARD_WEBHOOK_URL is set; 2 wait since /)
    await store.close()
  })

  test('a Redis Cluster: whole, with settings that lose jobs, and a node of it alone', async () => {
    const cluster = await startCluster()
    try {
      const env = { TRACKYARD_REDIS_URL: cluster.url, TRACKYARD_DATA_DIR: `${desk.dataDir}-cluster` }
      const redis = async () => (await doctor(env)).checks.filter(({ name }) => name === 'Redis')
      expect(await redis()).toMatchObject([{ state: 'ok', found: expect.stringContaining('redis+cluster://') }])
      for (const node of cluster.nodes) {
        await node.command('CONFIG', 'SET', 'maxmemory-policy', 'allkeys-lru')
        await node.command('CONFIG', 'SET', 'appendonly', 'no')
      }
      expect(await redis()).toMatchObject([
        { state: 'warning', remedy: 'Set maxmemory-policy noeviction.' },
        { state: 'warning', remedy: 'Set appendonly yes.' },
      ])
      const alone = await doctor({ ...env, TRACKYARD_REDIS_URL: cluster.nodes[0]?.url ?? '' })
      expect(alone.of('Redis')).toMatchObject({
        state: 'failed',
        remedy: expect.stringMatching(/^Use redis\+cluster:/),
      })
    } finally {
      await cluster.stop()
    }
  }, 240_000)

  const withPostgres = postgresBinaries() === null ? test.skip : test
  withPostgres(
    'a store in PostgreSQL: there, without its database, away; its password is not shown',
    async () => {
      const server = await startPostgresServer()
      try {
        const url = await server.createDatabase('checked')
        const store = async (address: string) => {
          const env = {
            TRACKYARD_DATABASE_URL: address.replace('@', ':hunter2@'),
            TRACKYARD_DATA_DIR: `${desk.dataDir}-pg`,
          }
          const { of, checks } = await doctor(env)
          expect(JSON.stringify(checks)).not.toContain('hunter2')
          return of('store')
        }
        expect(await store(url)).toMatchObject({
          state: 'ok',
          found: `${url} answers, and takes changes`,
          remedy: null,
        })
        expect(await store(url.replace(/checked$/, 'nowhere'))).toMatchObject({
          state: 'failed',
          remedy: expect.stringContaining('createdb'),
        })
        expect(await store(url.replace(/:\d+/, ':1'))).toMatchObject({
          state: 'failed',
          remedy: expect.stringContaining('Check that PostgreSQL runs'),
        })
      } finally {
        await server.close()
      }
    },
    240_000,
  )

  test('a file of secrets that others can read is a warning', async () => {
    await chmod(await desk.file('.env', `TRACKYARD_API_KEY=${SIMULATOR_KEY}\n`), 0o644)
    const { code, of } = await doctor()
    expect([code, of('files')]).toEqual([
      0,
      expect.objectContaining({ state: 'warning', remedy: expect.stringMatching(/chmod/) }),
    ])
    await desk.file('.env', '')
  })

  test.each([
    ['20.19.9', false],
    ['20.20.0', true],
    ['21.7.0', false],
    ['22.13.1', true],
    ['26.0.0', true],
  ])('Node %s is supported: %s', (version, expected) => {
    expect(isSupportedNode(version)).toBe(expected)
  })
})

describe('init', () => {
  const init = (answers: readonly string[], env: Record<string, string> = {}) =>
    desk.type(['init'], { answers, env: { TRACKYARD_API_KEY: undefined, ...env } })

  test('writes .env for its owner alone, keeps what is there, and checks the key, which is not shown', async () => {
    await desk.file('.env', 'OTHER=1\nTRACKYARD_API_KEY=old # mine\n')
    const { code, stdout, stderr } = await init([SIMULATOR_KEY, '~/night', ''])
    expect(stderr).toMatch(/The API accepts the key \(tier pro, [\d,]+ credits left\)\./)
    expect([code, stdout]).toEqual([0, expect.stringContaining('Next: trackyard-batch doctor')])
    expect(stdout + stderr).not.toContain(SIMULATOR_KEY)
    const path = join(desk.dir, '.env')
    expect(await readFile(path, 'utf8')).toBe(
      `OTHER=1\nTRACKYARD_API_KEY="${SIMULATOR_KEY}"\nTRACKYARD_DATA_DIR="~/night"\n`,
    )
    expect((await stat(path)).mode & 0o777).toBe(0o600)
    await desk.file('.env', '')
  })

  test('a key that the API refuses is written only after a yes', async () => {
    expect(await init(['wrong', '', '', 'n'])).toMatchObject({ code: 4 })
    expect(await readFile(join(desk.dir, '.env'), 'utf8')).toBe('')
    expect(await init(['wrong', '', '', 'y'])).toMatchObject({ code: 0 })
    await desk.file('.env', '')
  })

  test('it checks what the program will read: the environment wins, also with an empty value', async () => {
    const { code, stderr } = await init([SIMULATOR_KEY, '', ''], { TRACKYARD_API_KEY: '' })
    expect([code, stderr]).toEqual([0, expect.stringContaining('No API key yet')])
    await desk.file('.env', 'TRACKYARD_CONCURRENCY 3\n')
    expect(await init([SIMULATOR_KEY, '', ''])).toMatchObject({
      code: 78,
      stderr: expect.stringContaining('.env, line 1: expected NAME=value'),
    })
    await desk.file('.env', '')
  })

  test('without a terminal it says what to do instead', async () => {
    const { code, stderr } = await desk.type(['init'])
    expect([code, stderr]).toEqual([2, expect.stringContaining('.env.example')])
  })
})

test('a command in an empty environment says which data directory it made, once', async () => {
  const env = { TRACKYARD_DATA_DIR: join(desk.dir, 'fresh'), TRACKYARD_REDIS_URL: 'redis://127.0.0.1:1' }
  expect((await desk.type(['status'], { env })).stderr).toContain(`Created a new store in ${env.TRACKYARD_DATA_DIR}`)
  expect((await desk.type(['status'], { env })).stderr).not.toContain('Created a new store')
})

test.each([
  ['wait'],
  ['report'],
  ['export'],
  ['show', '1'],
  ['status', 'night'],
  ['cancel', 'night'],
  ['release', 'night'],
])('%s %s makes no store where there is none', async (...words) => {
  const env = { TRACKYARD_DATA_DIR: join(desk.dir, 'nowhere') }
  const { code, stderr } = await desk.type(words, { env })
  expect([code, stderr]).toEqual([2, expect.stringContaining(`There is no store in ${env.TRACKYARD_DATA_DIR}`)])
  expect(existsSync(env.TRACKYARD_DATA_DIR)).toBe(false)
})

describe('completion', () => {
  const completed = (script: string, ...words: readonly string[]) => {
    const line = ['trackyard-batch', ...words].map((word) => `'${word}'`).join(' ')
    const ask = `COMP_WORDS=(${line}); COMP_CWORD=${words.length}; _trackyard_batch; printf '%s\\n' "\${COMPREPLY[@]}"`
    return execFileSync('bash', ['-c', `${script}\n${ask}`], { encoding: 'utf8' })
      .split('\n')
      .filter((word) => word !== '')
  }

  test('bash completes commands, subcommands, options and values', async () => {
    const { stdout: script } = await desk.type(['completion', 'bash'])
    expect(completed(script, 'su')).toEqual(['submit'])
    expect(completed(script, 'dead-letters', 're')).toEqual(['retry'])
    expect(completed(script, 'dead-letters', 'retry', '--st')).toEqual(['--status'])
    expect(completed(script, 'submit', 'x.csv', '--max-')).toEqual(['--max-credits', '--max-age'])
    expect(completed(script, 'export', '--format', '')).toEqual(['csv', 'jsonl'])
    expect(completed(script, 'export', '-f', 'j')).toEqual(['jsonl'])
    expect(completed(script, 'show', '--')).toEqual(['--batch', '--json', '--help'])
    expect(completed(script, 'dead-letters', 'show', '--')).toEqual(['--json', '--help'])
    expect(completed(script, 'he')).toEqual(['help'])
    expect(completed(script, 'completion', '')).toEqual(['bash', 'zsh', 'fish'])
    // The shell's own file names then.
    for (const words of [
      ['submit', ''],
      ['export', '--out', ''],
      ['submit', '-q', ''],
    ])
      expect(completed(script, ...words)).toEqual([])
  })

  test.each(['zsh', 'fish'])('%s gets every command and every option', async (shell) => {
    const { stdout: script } = await desk.type(['completion', shell])
    for (const word of ['submit', 'dead-letters', 'max-credits', 'allow-failures', 'discard', 'jsonl']) {
      expect(script).toContain(word)
    }
  })

  const isInstalled = (shell: string) => spawnSync(shell, ['--version']).status === 0
  // Each is tried for real where it is installed.
  const withFish = isInstalled('fish') ? test : test.skip
  const withZsh = isInstalled('zsh') ? test : test.skip

  withFish('fish completes commands, subcommands, options and values', async () => {
    const script = await desk.file('completion.fish', (await desk.type(['completion', 'fish'])).stdout)
    const words = (line: string) =>
      execFileSync('fish', ['--no-config', '-c', `source '${script}'; complete -C 'trackyard-batch ${line}'`], {
        cwd: desk.dir,
        encoding: 'utf8',
      })
        .split('\n')
        .flatMap((each) => each.split('\t')[0] || [])
    expect(words('su')).toEqual(['submit'])
    expect(words('dead-letters re')).toEqual(['retry'])
    expect(words('dead-letters show --')).toEqual(['--json'])
    expect(words('show --')).toEqual(['--batch', '--json'])
    expect(words('submit x.csv --max-')).toEqual(['--max-age', '--max-credits'])
    expect(words('export -f ')).toEqual(['csv', 'jsonl'])
    expect(words('completion ')).toEqual(['bash', 'fish', 'zsh'])
    expect(words('submit fil')).toEqual(['films.csv'])
  })

  withZsh('zsh completes commands, subcommands, options and values', async () => {
    await desk.file('_trackyard-batch', (await desk.type(['completion', 'zsh'])).stdout)
    const terminal = spawn('script', ['-qefc', 'zsh -f -i', '/dev/null'], { cwd: desk.dir, stdio: 'pipe' })
    let shown = ''
    terminal.stdout.setEncoding('utf8').on('data', (part: string) => {
      shown += part
    })
    const shows = (what: string) =>
      until(() => shown.includes(what), { timeoutMs: 120_000, what: () => `${what} in ${shown}` })
    terminal.stdin.write(
      'PS1=; fpath=($PWD $fpath); autoload -Uz compinit; compinit -u -D; setopt no_beep; print READ"Y"\n',
    )
    await shows('READY')
    for (const [line, expected] of [
      ['su', 'submit'],
      ['dead-letters re', 'dead-letters retry'],
      ['dead-letters show --', '--json'],
      ['submit x.csv --max-', '--max-credits'],
      ['export --format ', 'jsonl'],
      ['completion ', 'fish'],
      ['submit fil', 'films.csv'],
    ] as const) {
      shown = ''
      terminal.stdin.write(`trackyard-batch ${line}\t\t`)
      await shows(expected)
      // Clears the line.
      terminal.stdin.write('\x15')
    }
    terminal.stdin.end('exit\n')
    await once(terminal, 'close')
  })
})
