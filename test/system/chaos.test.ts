import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readlinkSync } from 'node:fs'
import { chmod, mkdtemp, readdir, realpath, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, expect, test } from '@jest/globals'
import { postgresBinaries } from '../../scripts/postgres-server.js'
import { until } from '../support/until.js'

/** The chaos run itself, short and with a fixed seed, as a user starts it. */
const CHAOS = fileURLToPath(new URL('../../dist/scripts/chaos.js', import.meta.url))

let folder: string
beforeEach(async () => {
  folder = await realpath(await mkdtemp(join(tmpdir(), 'chaos-test-')))
  // PostgreSQL runs as another user where this one is root.
  await chmod(folder, 0o711)
})
afterEach(() => rm(folder, { recursive: true, force: true, maxRetries: 3 }))

interface Started {
  readonly child: ChildProcess
  readonly said: () => { readonly stdout: string; readonly stderr: string }
  readonly exited: Promise<number | null>
}

function start(...words: readonly string[]): Started {
  if (!existsSync(CHAOS)) throw new Error('system tests run the built program: `npm run build` first')
  const child = spawn(process.execPath, [CHAOS, ...words], {
    env: { ...process.env, TMPDIR: folder },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
  })
  const exited = once(child, 'close').then(([code]) => code as number | null)
  return { child, said: () => ({ stdout, stderr }), exited }
}

/** Processes that work in the test's folder: workers, commands, Redis. */
function processesHere(): readonly string[] {
  return readdirSync('/proc').filter((pid) => {
    try {
      return /^\d+$/.test(pid) && readlinkSync(`/proc/${pid}/cwd`).startsWith(folder)
    } catch {
      return false
    }
  })
}

function figuresOf(table: string): Map<string, string> {
  const lines = [...table.matchAll(/^\| (.+?) +\| +(\S+) \|$/gm)]
  return new Map(lines.map(([, name = '', value = '']) => [name, value]))
}

/** A whole run in which no promise was broken; returns its figures. */
async function expectAllKept(...words: readonly string[]): Promise<Map<string, string>> {
  const { exited, said } = start(...words)
  const code = await exited
  const { stdout, stderr } = said()
  const figures = figuresOf(stdout)
  const broken = stderr.split('\n').filter((line) => line.includes('VIOLATION'))
  expect(broken).toEqual([])
  expect(code).toBe(0)
  for (const zero of [
    'paid twice, unexplained',
    'calls while paused',
    'rows lost',
    'rows with two statuses',
    'violations',
  ]) {
    expect([zero, figures.get(zero)]).toEqual([zero, '0'])
  }
  expect(figures.get('integrity_check')).toBe('ok')
  expect(await readdir(folder)).toEqual([])
  expect(processesHere()).toEqual([])
  return figures
}

function expectAtLeast(figures: Map<string, string>, least: Readonly<Record<string, number>>): void {
  for (const [name, atLeast] of Object.entries(least))
    expect({ [name]: Number(figures.get(name)) >= atLeast }).toEqual({ [name]: true })
}

test('24 seconds of kills, freezes, flushes and faults loses no row and pays for nothing twice unlisted', async () => {
  const figures = await expectAllKept('--minutes', '0.4', '--seed', '51')
  expectAtLeast(figures, {
    kills: 5,
    freezes: 1,
    'Redis kills': 1,
    flushes: 1,
    'faults at the API': 2,
    paid: 150,
  })
}, 360_000)

const withPostgres = postgresBinaries() === null ? test.skip : test

withPostgres(
  'nor does it where the store is in PostgreSQL, which is killed, restarted and frozen as well',
  async () => {
    const figures = await expectAllKept('--minutes', '0.35', '--seed', '107', '--store', 'postgres')
    expectAtLeast(figures, {
      kills: 5,
      'PostgreSQL restarts': 1,
      'PostgreSQL kills': 1,
      'PostgreSQL freezes': 1,
      'connections terminated': 1,
      paid: 100,
    })
  },
  360_000,
)

test('Ctrl-C in the middle ends every process that was started, removes its folder and exits with 130', async () => {
  const { child, exited, said } = start('--minutes', '1', '--seed', '3')
  await until(() => /kill worker/.test(said().stderr), { timeoutMs: 120_000, what: 'the first kill' })
  expect(processesHere().length).toBeGreaterThan(0)
  child.kill('SIGINT')
  expect(await exited).toBe(130)
  expect(processesHere()).toEqual([])
  expect(await readdir(folder)).toEqual([])
}, 240_000)

test('--help shows an example, and words that make no sense are refused with exit code 2', async () => {
  const help = start('--help')
  expect(await help.exited).toBe(0)
  expect(help.said().stdout).toContain('Example: npm run chaos -- --minutes 5 --seed 7')
  const wrong = start('--minutes', 'soon')
  expect(await wrong.exited).toBe(2)
  expect(wrong.said().stderr).toContain('found "soon"')
}, 240_000)
