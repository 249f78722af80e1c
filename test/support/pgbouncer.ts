import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chownSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort } from '../../scripts/free-port.js'
import { ask } from './postgres.js'
import { until } from './until.js'

/** A real PgBouncer before a PostgreSQL of these tests. */
export interface PgBouncer {
  /** The same database, through it. */
  through(database: string): string
  stop(): Promise<void>
}

const BINARY = '/usr/sbin/pgbouncer'

export const hasPgBouncer = existsSync(BINARY)

export async function startPgBouncer(database: string, settings: Readonly<Record<string, string>>): Promise<PgBouncer> {
  const target = new URL(database)
  const port = await freePort()
  const dir = mkdtempSync(join(tmpdir(), 'pgbouncer-'))
  const config = join(dir, 'pgbouncer.ini')
  const all = { listen_addr: '127.0.0.1', listen_port: port, unix_socket_dir: '', auth_type: 'any', ...settings }
  const lines = Object.entries(all).map(([name, value]) => `${name} = ${value}`)
  const server = `host=127.0.0.1 port=${target.port} user=${target.username}`
  writeFileSync(config, `[databases]\n* = ${server}\n[pgbouncer]\n${lines.join('\n')}\n`)
  // It refuses to run as root.
  const isRoot = process.getuid?.() === 0
  if (isRoot) for (const path of [dir, config]) chownSync(path, Number(execFileSync('id', ['-u', 'postgres'])), 0)
  const child: ChildProcess = isRoot
    ? spawn('runuser', ['-u', 'postgres', '--', BINARY, '-q', config], { stdio: 'ignore' })
    : spawn(BINARY, ['-q', config], { stdio: 'ignore' })
  const through = (name: string): string => {
    const url = new URL(name)
    url.port = String(port)
    return url.href
  }
  const answers = () =>
    ask(through(database), 'select 1').then(
      () => true,
      () => false,
    )
  await until(answers, { timeoutMs: 120_000, what: 'PgBouncer to answer' })
  return {
    through,
    stop: async () => {
      const ended = once(child, 'exit')
      child.kill('SIGTERM')
      await ended
      rmSync(dir, { recursive: true, force: true })
    },
  }
}
