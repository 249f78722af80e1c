import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chownSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import pg from 'pg'
import { freePort } from './free-port.js'

/**
 * A PostgreSQL server for tests, chaos and bench, in a temporary directory and on a free port of 127.0.0.1. It does not
 * force its writes to disk (`fsync` off) unless `settings` turn that on. PostgreSQL refuses to run as root; under root it
 * runs as the user `postgres`.
 */
export interface PostgresServer {
  readonly port: number
  /** postgres://tester@127.0.0.1:<port>/<database> */
  url(database: string): string
  /** Returns its URL. */
  createDatabase(name: string): Promise<string>
  /** Returns what `psql -At` prints: a line for each row, its columns separated by bars. */
  query(text: string, database?: string): Promise<string>
  /** `immediate`: like a crash. */
  restart(how: StopMode): Promise<void>
  /** It stays down until `start`. */
  stop(how: StopMode): Promise<void>
  start(): Promise<void>
  /** SIGSTOP for all processes that serve clients. @returns a function that resumes them */
  freeze(): Promise<() => void>
  /** Starts a streaming replica. */
  startStandby(): Promise<PostgresServer>
  /** Makes a standby the primary. */
  promote(): Promise<void>
  /** Stops the server and removes its directory. */
  close(): Promise<void>
}

type StopMode = 'fast' | 'immediate'
type Settings = Readonly<Record<string, string>>

export interface PostgresServerOptions {
  readonly settings?: Settings
  /** Where to make the directory for its data and sockets. Default: the system's directory for temporary files. */
  readonly within?: string
}

const AS_TEXT = { getTypeParser: () => (text: string) => text }
const ANSWERS_WITHIN_MS = 60_000
const BASE = '/usr/lib/postgresql'

/** Null: it is not installed. */
export function postgresBinaries(): string | null {
  if (!existsSync(BASE)) return null
  const [latest] = readdirSync(BASE).sort((a, b) => Number(b) - Number(a))
  return latest === undefined ? null : join(BASE, latest, 'bin')
}

export async function startPostgresServer(options: PostgresServerOptions = {}): Promise<PostgresServer> {
  return startIn(options, (data) =>
    execute(
      ...asServer('initdb', ['-D', data, '-U', 'tester', '-A', 'trust', '-E', 'UTF8', '--locale=C.UTF-8', '--no-sync']),
    ),
  )
}

const execute = promisify(execFile)

async function startIn(
  { settings = {}, within = tmpdir() }: PostgresServerOptions,
  fill: (data: string) => Promise<unknown>,
): Promise<PostgresServer> {
  const dir = mkdtempSync(join(within, 'postgres-'))
  const data = join(dir, 'data')
  mkdirSync(data, { mode: 0o700 })
  if (isRoot()) for (const each of [dir, data]) chownSync(each, Number(execFileSync('id', ['-u', 'postgres'])), 0)
  await fill(data)
  const port = await freePort()
  const url = (database: string): string => `postgres://tester@127.0.0.1:${port}/${database}`
  async function query(text: string, database = 'postgres'): Promise<string> {
    const client = new pg.Client({ connectionString: url(database), types: AS_TEXT })
    // The query fails too.
    client.on('error', () => {})
    try {
      await client.connect()
      // One for each statement, an object only if there is one.
      const results = [await client.query<(string | null)[]>({ text, rowMode: 'array' })].flat()
      const rows = results.at(-1)?.rows ?? []
      return rows.map((row) => `${row.map((cell) => cell ?? '').join('|')}\n`).join('')
    } finally {
      await client.end().catch(() => {})
    }
  }

  const answers = (): Promise<boolean> =>
    query('select 1').then(
      () => true,
      () => false,
    )

  let server = await launch()

  async function launch(): Promise<ChildProcess> {
    const all = { listen_addresses: '127.0.0.1', port, unix_socket_directories: dir, fsync: 'off', ...settings }
    const words = Object.entries(all).flatMap(([name, value]) => ['-c', `${name}=${value}`])
    const child = spawn(...asServer('postgres', ['-D', data, ...words]), { stdio: 'ignore' })
    const deadline = performance.now() + ANSWERS_WITHIN_MS
    while (!(await answers())) {
      if (child.exitCode !== null || performance.now() > deadline)
        throw new Error(
          child.exitCode === null
            ? `PostgreSQL in ${dir} does not answer`
            : `PostgreSQL in ${dir} ended with exit code ${child.exitCode}`,
        )
      await sleep(20)
    }
    return child
  }

  async function stop(how: StopMode): Promise<void> {
    if (server.exitCode !== null || server.signalCode !== null) return
    const ended = once(server, 'exit')
    await execute(...asServer('pg_ctl', ['-D', data, '-m', how, '-w', 'stop']))
    await ended
  }

  async function start(): Promise<void> {
    server = await launch()
  }

  return {
    port,
    url,
    query,
    stop,
    start,
    createDatabase: async (name) => {
      await query(`create database ${name}`)
      return url(name)
    },
    restart: async (how) => {
      await stop(how)
      await start()
    },
    freeze: async () => {
      const serving =
        "select pid from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid()"
      const pids = (await query(serving)).split('\n').filter((line) => line !== '')
      const signal = (name: NodeJS.Signals): void => {
        for (const pid of pids) sendSignal(Number(pid), name)
      }
      signal('SIGSTOP')
      return () => signal('SIGCONT')
    },
    startStandby: () =>
      startIn({ settings, within }, (copy) =>
        execute(
          ...asServer('pg_basebackup', ['-D', copy, '-R', '-X', 'stream', '-c', 'fast', '--no-sync', '-d', url('')]),
        ),
      ),
    promote: async () => void (await query('select pg_promote()')),
    close: async () => {
      await stop('immediate')
      rmSync(dir, { recursive: true, force: true })
    },
  }
}

function isRoot(): boolean {
  return process.getuid?.() === 0
}

function program(name: string): string {
  const bin = postgresBinaries()
  if (bin === null) throw new Error('Expected PostgreSQL, found none: run `scripts/setup.sh --with-postgres`.')
  return join(bin, name)
}

/** The command line that runs a program of PostgreSQL as the server's user. */
function asServer(name: string, words: readonly string[]): [string, string[]] {
  return isRoot() ? ['runuser', ['-u', 'postgres', '--', program(name), ...words]] : [program(name), [...words]]
}

/** Ignores a process that has already ended. */
function sendSignal(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch {
    // It has ended.
  }
}
