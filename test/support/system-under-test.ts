import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { test } from '@jest/globals'
import Database from 'better-sqlite3'
import { type LogLine, parseLogLine } from '../../scripts/log-line.js'
import type { StatusReport } from '../../src/batches/status-report.js'
import type { DocumentBody } from '../../src/cli/documents.js'
import { errorCode } from '../../src/domain/errors.js'
import { stopPrivateRedis } from '../../src/queue/private-redis/private-redis.js'
import { SIMULATOR_KEY, type SimulatorOptions } from '../../src/simulator/options.js'
import { type Simulator, startSimulator } from '../../src/simulator/simulator.js'
import { type CommandResult, runCommand, runWorker } from './commands.js'
import { until } from './until.js'

/**
 * A whole night on this machine: the simulator as the API (the witness), the built program in processes of its
 * own, its private Redis and its store in a temporary data directory. System tests drive it only by
 * command line, signals and the simulator's controls, as its users would.
 */
export interface SystemUnderTest {
  readonly simulator: Simulator
  readonly dir: string
  readonly dataDir: string
  readonly env: Readonly<Record<string, string>>
  /** Runs one command to its end, in the process that runs those of all tests of the file. */
  cli(args: readonly string[], options?: CommandOptions): Promise<CommandResult>
  /** The same with --json, to read its document; fails on a non-zero exit. */
  json<T>(args: readonly string[]): Promise<T>
  /** Runs one command in a process of its own, for tests of what the process does, or waits for without a break. */
  command(args: readonly string[], options?: CommandOptions): Promise<Finished>
  status(): Promise<StatusReport>
  deadLetters(): Promise<DocumentBody<'dead_letters'>['dead_letters']>
  /** Starts a worker in the process of the commands, for tests in which none is killed or frozen. Resolves as below. */
  worker(env?: Record<string, string>): Promise<SharedWorker>
  /** Starts a worker process and resolves when it says that it has started. */
  startWorker(env?: Record<string, string>): Promise<Process>
  /** SIGSTOP between two changes of the store: one that is frozen inside a change locks out everybody. */
  freeze(worker: Process): Promise<void>
  /** Starts any entry point, given from the project's root. Its stdin is closed, unless it is to stay open. */
  start(entry: string, args?: readonly string[], env?: Record<string, string>, stdin?: 'open'): Process
  /** Submits so many rows, as many searches, as the batch `films`. Returns the path of the catalog. */
  submit(rows: number, ...more: readonly string[]): Promise<string>
  /** Writes a file into the night's folder and returns its path. */
  file(name: string, text: string): Promise<string>
  /** Reads the tagged CSV as rows of named cells. */
  exported(batch?: string): Promise<readonly Record<string, string>[]>
  close(): Promise<void>
}

export interface CommandOptions {
  readonly env?: Readonly<Record<string, string>>
}

export interface Finished {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

export interface ReadLog {
  /** Everything written to stderr so far. */
  stderr(): string
  /** The log lines of that event so far. */
  logged(event: string): readonly LogLine[]
  /** Resolves with the first log line of that event whose facts match, or the one number `count`. */
  waitForEvent(event: string, options?: EventOptions): Promise<LogLine>
}

export interface SharedWorker extends ReadLog {
  /** What SIGTERM does. */
  stop(): Promise<void>
}

export interface Process extends ReadLog {
  readonly child: ChildProcess
  readonly pid: number
  /** Everything written to stdout so far. */
  output(): string
  /** For the output of commands, which people read. A service is waited for by its events. */
  waitForStderr(pattern: RegExp, timeoutMs?: number): Promise<void>
  kill(signal: NodeJS.Signals): void
  readonly exited: Promise<Finished>
}

export interface EventOptions {
  /** How many such lines to wait for. Default: 1. */
  readonly count?: number
  /** Facts that the line must have. */
  readonly facts?: Readonly<Record<string, unknown>>
  /** Words that the line must have, `err` included: for messages to people. */
  readonly text?: RegExp
  /** Default: 120,000. */
  readonly timeoutMs?: number
}

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const CLI = 'dist/scripts/trackyard-batch.js'

export interface SystemOptions {
  readonly simulator?: Partial<SimulatorOptions>
  readonly env?: Readonly<Record<string, string>>
}

/** A test on a system of its own, beside others of its file: they mostly wait. */
export function systemTest(
  claim: string,
  options: SystemOptions,
  play: (system: SystemUnderTest) => Promise<void>,
  timeoutMs = 240_000,
): void {
  test.concurrent(claim, () => withSystem(options, play), timeoutMs)
}

/** A system that is closed at the end of `play`. */
export async function withSystem(
  options: SystemOptions,
  play: (system: SystemUnderTest) => Promise<void>,
): Promise<void> {
  const system = await startSystem(options)
  try {
    await play(system)
  } finally {
    await system.close()
  }
}

export async function startSystem(options: SystemOptions = {}): Promise<SystemUnderTest> {
  if (!existsSync(join(ROOT, CLI))) throw new Error('system tests run the built program: `npm run build` first')
  const dir = await mkdtemp(join(tmpdir(), 'night-'))
  const dataDir = options.env?.TRACKYARD_DATA_DIR ?? join(dir, 'data')
  const simulator = await startSimulator({ tier: 'pro', perMinute: null, credits: 1_000_000, ...options.simulator })
  const env: Record<string, string> = {
    PATH: process.env.PATH ?? '',
    HOME: dir,
    TZ: 'UTC',
    TRACKYARD_API_URL: simulator.url,
    TRACKYARD_API_KEY: SIMULATOR_KEY,
    TRACKYARD_DATA_DIR: dataDir,
    TRACKYARD_RATE_LIMIT: '60000',
    TRACKYARD_BACKOFF_BASE_MS: '100',
    TRACKYARD_BACKOFF_MAX_MS: '1000',
    // A machine that is busy with other things is not taken for a server that hangs.
    TRACKYARD_REQUEST_TIMEOUT_MS: '60000',
    TRACKYARD_LOCK_DURATION_MS: '70000',
    ...options.env,
  }
  const processes: Process[] = []
  const workers: SharedWorker[] = []

  function start(
    entry: string,
    args: readonly string[] = [],
    more: Record<string, string> = {},
    stdin?: 'open',
  ): Process {
    const child = spawn(process.execPath, [join(ROOT, entry), ...args], {
      cwd: dir,
      env: { ...env, ...more },
      stdio: [stdin === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
    })
    // A process that is killed while it reads.
    child.stdin?.on('error', () => {})
    let stdout = ''
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      stdout += text
    })
    const log = readLog(entry)
    child.stderr?.setEncoding('utf8').on('data', log.add)
    const exited = new Promise<Finished>((resolve) => {
      child.once('close', (code, signal) => resolve({ code, signal, stdout, stderr: log.stderr() }))
    })
    const started: Process = {
      ...log,
      child,
      pid: child.pid ?? 0,
      output: () => stdout,
      waitForStderr: (pattern, timeoutMs = 120_000) =>
        until(() => pattern.test(log.stderr()), {
          timeoutMs,
          what: () => `${entry} to write ${String(pattern)}; it wrote:\n${log.stderr()}`,
        }),
      kill: (signal) => void child.kill(signal),
      exited,
    }
    processes.push(started)
    return started
  }

  const cli = (args: readonly string[], more: CommandOptions = {}): Promise<CommandResult> =>
    runCommand(args, { env: { ...env, ...more.env }, cwd: dir })

  async function succeed(args: readonly string[]): Promise<string> {
    const { code, stdout, stderr } = await cli(args)
    if (code !== 0) throw new Error(`${args.join(' ')} ended with ${code}: ${stderr}`)
    return stdout
  }

  const json = async <T>(args: readonly string[]): Promise<T> => JSON.parse(await succeed([...args, '--json'])) as T

  async function file(name: string, content: string): Promise<string> {
    const path = join(dir, name)
    await writeFile(path, content)
    return path
  }

  async function close(): Promise<void> {
    for (const one of processes) if (one.child.exitCode === null && one.child.signalCode === null) one.kill('SIGKILL')
    await Promise.all(processes.map((one) => one.exited))
    // Without an API, a worker does not wait for its calls.
    await simulator.close()
    await Promise.all(workers.map((worker) => worker.stop()))
    await stopRedisIn(dataDir)
    await rm(dir, { recursive: true, force: true, maxRetries: 5 })
  }

  return {
    simulator,
    dir,
    dataDir,
    env,
    cli,
    json,
    command: (args, more = {}) => start(CLI, args, more.env).exited,
    status: () => json<StatusReport>(['status']),
    deadLetters: async () => (await json<DocumentBody<'dead_letters'>>(['dead-letters', 'list'])).dead_letters,
    start,
    async worker(more = {}) {
      const log = readLog('the worker beside the commands')
      const { stop, ended } = runWorker({ env: { ...env, ...more }, cwd: dir }, log.add)
      const worker = {
        ...log,
        async stop() {
          stop()
          await ended
        },
      }
      workers.push(worker)
      await worker.waitForEvent('worker.started')
      return worker
    },
    async startWorker(more = {}) {
      const worker = start('dist/workers/worker.js', [], more)
      await worker.waitForEvent('worker.started')
      return worker
    },
    freeze: (worker) => freezeOutsideOfChanges(worker, join(dataDir, 'trackyard.db')),
    async submit(rows, ...more) {
      const path = await file('films.csv', catalogText(rows))
      await json(['submit', path, '--query', QUERY, '--yes', ...more])
      return path
    },
    file,
    async exported(batch) {
      const out = join(dir, `out-${Math.random().toString(36).slice(2)}.jsonl`)
      await succeed(['export', ...(batch === undefined ? [] : [batch]), '--format', 'jsonl', '--out', out])
      return (await readFile(out, 'utf8'))
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => JSON.parse(line) as Record<string, string>)
    },
    close,
  }
}

function readLog(entry: string): ReadLog & { readonly add: (text: string) => void } {
  let stderr = ''
  // Each line is read once, however often somebody looks for one.
  const lines: LogLine[] = []
  let begun = ''
  const logged = (event: string) => lines.filter((line) => line.event === event)
  return {
    add(text) {
      stderr += text
      const whole = (begun + text).split('\n')
      begun = whole.pop() ?? ''
      lines.push(...whole.flatMap((line) => parseLogLine(line) ?? []))
    },
    stderr: () => stderr,
    logged,
    async waitForEvent(event, { count = 1, facts = {}, text = /^/, timeoutMs = 120_000 } = {}) {
      const found = () =>
        logged(event)
          .filter((line) => Object.entries(facts).every(([name, value]) => line[name] === value))
          .filter((line) => text.test(JSON.stringify(line)))[count - 1]
      await until(() => found() !== undefined, {
        timeoutMs,
        what: () => `${entry} to log ${event} ${JSON.stringify({ count, facts })} ${String(text)}; its log:\n${stderr}`,
      })
      return found() as LogLine
    },
  }
}

export function logLines(stderr: string): readonly LogLine[] {
  return stderr.split('\n').flatMap((line) => parseLogLine(line) ?? [])
}

/** One that is silent for some seconds on a busy machine is no failure of the test: it is asked again. */
async function stopRedisIn(dataDir: string): Promise<void> {
  const deadline = performance.now() + 30_000
  for (;;) {
    try {
      await stopPrivateRedis({ dataDir })
      return
    } catch (error) {
      if (performance.now() > deadline) throw error
    }
    await sleep(200)
  }
}

async function freezeOutsideOfChanges(worker: Process, store: string): Promise<void> {
  for (let tries = 0; tries < 100; tries += 1) {
    worker.kill('SIGSTOP')
    if (canBeChanged(store)) return
    worker.kill('SIGCONT')
    await sleep(20)
  }
  throw new Error(`the store ${store} was locked whenever worker ${worker.pid} was frozen`)
}

/** Others may be changing it at this moment: they are given time to come to an end. */
function canBeChanged(store: string): boolean {
  const db = new Database(store, { timeout: 200 })
  try {
    db.exec('BEGIN IMMEDIATE; ROLLBACK')
    return true
  } catch (error) {
    if (errorCode(error) === 'SQLITE_BUSY') return false
    throw error
  } finally {
    db.close()
  }
}

/** `id,title,mood` with that many rows over that many different questions. */
export function catalogText(rows: number, questions = rows): string {
  const moods = ['calm', 'dark', 'bright', 'epic', 'warm']
  const lines = Array.from({ length: rows }, (_, index) => {
    const question = index % questions
    return `r${index + 1},scene ${question},${moods[question % moods.length]}`
  })
  return `id,title,mood\n${lines.join('\n')}\n`
}

export const QUERY = '{title} {mood} music'
