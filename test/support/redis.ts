import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { freePort } from '../../scripts/free-port.js'

/**
 * A real redis-server of a test's own: on a free port and a unix socket, in a temporary directory, with
 * an append-only file, so that it can be killed and started again with what it knew. `stop` also removes the directory.
 */
export interface TestRedis {
  /** redis://127.0.0.1:<port> */
  readonly url: string
  readonly port: number
  readonly socketPath: string
  readonly dir: string
  /** Ends it for good and removes its directory. */
  stop(): Promise<void>
  /** kill -9. */
  kill(): Promise<void>
  /** Starts it again after `kill` (or ends and starts it), on the same port with the same data. */
  restart(): Promise<void>
  /** FLUSHALL. */
  flush(): Promise<void>
  /** One command, without quoting rules: words go as they are. Answers the raw reply. */
  command(...words: readonly string[]): Promise<string>
  /** All locks of jobs run out, as they do by themselves some time after their process has died or frozen. */
  expireLocks(): Promise<void>
  /** SIGSTOP and SIGCONT: it hangs, connections stay. */
  freeze(): void
  thaw(): void
}

/** Paths of PEM files. */
export interface TlsFiles {
  readonly cert: string
  readonly key: string
  readonly ca: string
}

/** With TLS, nothing else is answered at its port; the socket stays as it is. */
export function tlsSettings({ cert, key, ca }: TlsFiles): Record<string, string> {
  return {
    'tls-cert-file': cert,
    'tls-key-file': key,
    'tls-ca-cert-file': ca,
    'tls-auth-clients': 'no',
    'tls-replication': 'yes',
  }
}

export async function startRedis(
  settings: Readonly<Record<string, string>> = {},
  tls: TlsFiles | null = null,
): Promise<TestRedis> {
  const dir = await mkdtemp(join(tmpdir(), 'redis-'))
  const socketPath = join(dir, 'redis.sock')
  let port = await freePort()
  // Another process may have taken the port meanwhile, or, of a cluster, the one 10,000 above it.
  const again = async () => {
    port = await freePort()
    return launch()
  }
  let server = await launch().catch(again).catch(again)

  async function launch(): Promise<ChildProcess> {
    const all = {
      ...(tls === null ? { port: String(port) } : { port: '0', 'tls-port': String(port), ...tlsSettings(tls) }),
      bind: '127.0.0.1',
      unixsocket: socketPath,
      dir,
      appendonly: 'yes',
      // Every change is in the file before it is answered, which survives a kill; only `always` and `everysec` wait for a busy disk.
      appendfsync: 'no',
      save: '',
      'maxmemory-policy': 'noeviction',
      ...settings,
    }
    const child = spawn(
      'redis-server',
      Object.entries(all).flatMap(([name, value]) => [`--${name}`, value]),
      {
        stdio: 'ignore',
      },
    )
    await answering(socketPath, child)
    return child
  }

  async function end(signal: NodeJS.Signals): Promise<void> {
    if (server.exitCode !== null || server.signalCode !== null) return
    const gone = once(server, 'exit')
    server.kill('SIGCONT')
    server.kill(signal)
    await gone
  }

  return {
    url: `${tls === null ? 'redis' : 'rediss'}://127.0.0.1:${port}`,
    port,
    socketPath,
    dir,
    stop: async () => {
      await end('SIGKILL')
      await rm(dir, { recursive: true, force: true, maxRetries: 3 })
    },
    kill: () => end('SIGKILL'),
    restart: async () => {
      await end('SIGTERM')
      server = await launch()
    },
    flush: async () => {
      await ask(socketPath, ['FLUSHALL'])
    },
    command: (...words) => ask(socketPath, words),
    expireLocks: async () => {
      await ask(socketPath, ['EVAL', EXPIRE_LOCKS, '0'])
    },
    freeze: () => {
      server.kill('SIGSTOP')
    },
    thaw: () => {
      server.kill('SIGCONT')
    },
  }
}

/** A Redis that is stopped at the end of `play`. */
export async function withRedis(
  play: (redis: TestRedis) => Promise<void>,
  settings: Readonly<Record<string, string>> = {},
): Promise<void> {
  const redis = await startRedis(settings)
  try {
    await play(redis)
  } finally {
    await redis.stop()
  }
}

const EXPIRE_LOCKS = `for _, lock in ipairs(redis.call('KEYS', '*:lock')) do redis.call('DEL', lock) end return 1`

const ANSWERS_WITHIN_MS = 120_000

async function answering(socketPath: string, server: ChildProcess): Promise<void> {
  const deadline = performance.now() + ANSWERS_WITHIN_MS
  while (performance.now() < deadline) {
    const reply = await ask(socketPath, ['PING']).catch(() => '')
    if (reply !== '' && !reply.startsWith('-LOADING')) return
    if (server.exitCode !== null) throw new Error(`redis-server ended with ${server.exitCode} at ${socketPath}`)
    await wait(10)
  }
  throw new Error(`no redis-server answered at ${socketPath} within ${ANSWERS_WITHIN_MS} ms`)
}

/** Speaks RESP by hand so that this file needs no client library. */
export async function ask(socketPath: string, words: readonly string[]): Promise<string> {
  const socket = connect(socketPath)
  try {
    await once(socket, 'connect')
    socket.write(`*${words.length}\r\n${words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`).join('')}`)
    const [reply] = (await once(socket, 'data')) as [Buffer]
    return reply.toString()
  } finally {
    socket.destroy()
  }
}
