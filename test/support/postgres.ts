import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process'
import { chownSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import pg from 'pg'
import { freePort } from './redis.js'
import { until } from './until.js'

/**
 * A real PostgreSQL of a test's own, in a temporary directory and on a free port of 127.0.0.1. What
 * it writes is not forced to disk. It must not run as root, so it runs as `postgres` then.
 */
export interface TestPostgres {
  /** postgres://tester@127.0.0.1:<port>/<database>. Creates the database. */
  createDatabase(name: string): Promise<string>
  /** `immediate`: as if it crashed. */
  restart(how: 'fast' | 'immediate'): Promise<void>
  stop(): Promise<void>
}

/** Null: it is not installed. */
export function postgresBinaries(): string | null {
  const base = '/usr/lib/postgresql'
  if (!existsSync(base)) return null
  const [latest] = readdirSync(base).sort((a, b) => Number(b) - Number(a))
  return latest === undefined ? null : join(base, latest, 'bin')
}

export async function startPostgres(): Promise<TestPostgres> {
  const bin = postgresBinaries()
  if (bin === null) throw new Error('expected PostgreSQL to be installed: run scripts/setup.sh')
  const isRoot = process.getuid?.() === 0
  const as = (program: string, words: readonly string[]): readonly [string, string[]] =>
    isRoot ? ['runuser', ['-u', 'postgres', '--', join(bin, program), ...words]] : [join(bin, program), [...words]]
  const dir = mkdtempSync(join(tmpdir(), 'postgres-'))
  if (isRoot) chownSync(dir, Number(execFileSync('id', ['-u', 'postgres'])), 0)
  const data = join(dir, 'data')
  await promisify(execFile)(...as('initdb', ['-D', data, '-U', 'tester', '-A', 'trust', '-E', 'UTF8', '--no-sync']))
  const port = await freePort()
  const url = (database: string): string => `postgres://tester@127.0.0.1:${port}/${database}`
  let server = await launch()

  async function launch(): Promise<ChildProcess> {
    const settings = { listen_addresses: '127.0.0.1', port, unix_socket_directories: dir, fsync: 'off' }
    const words = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])
    const child = spawn(...as('postgres', ['-D', data, ...words]), { stdio: 'ignore' })
    await until(() => answers(url('postgres')), { timeoutMs: 30_000, what: 'PostgreSQL to answer' })
    return child
  }

  async function end(how: 'fast' | 'immediate'): Promise<void> {
    const ended = new Promise((resolve) => server.once('exit', resolve))
    await promisify(execFile)(...as('pg_ctl', ['-D', data, '-m', how, '-w', 'stop']))
    await ended
  }

  return {
    createDatabase: async (name) => {
      await ask(url('postgres'), `create database ${name}`)
      return url(name)
    },
    restart: async (how) => {
      await end(how)
      server = await launch()
    },
    stop: async () => {
      await end('immediate')
      rmSync(dir, { recursive: true, force: true })
    },
  }
}

async function answers(url: string): Promise<boolean> {
  return ask(url, 'select 1').then(
    () => true,
    () => false,
  )
}

/** One statement, or several without parameters. */
export async function ask(url: string, text: string): Promise<void> {
  const client = new pg.Client({ connectionString: url })
  client.on('error', () => {})
  await client.connect()
  try {
    await client.query(text)
  } finally {
    await client.end()
  }
}

/** As after its first opening, which takes longer. */
export function emptied(url: string): Promise<void> {
  return ask(
    url,
    `set session_replication_role = replica;
     do $$ declare name text; begin
       for name in select tablename from pg_tables
         where schemaname = 'public' and tablename not in ('kysely_migration', 'meta', 'call_count') loop
         execute format('delete from %I', name);
       end loop;
       for name in select sequencename from pg_sequences where schemaname = 'public' loop
         execute format('alter sequence %I restart', name);
       end loop; end $$;
     delete from meta where key not in ('store_id', 'schema_version');
     update call_count set calls = 0;
     insert into account (id) values (1)`,
  )
}
