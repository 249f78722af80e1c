import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { type AddressInfo, connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'

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
  /** SIGSTOP and SIGCONT: it hangs, connections stay. */
  freeze(): void
  thaw(): void
}

export async function startRedis(settings: Readonly<Record<string, string>> = {}): Promise<TestRedis> {
  const dir = await mkdtemp(join(tmpdir(), 'redis-'))
  const socketPath = join(dir, 'redis.sock')
  const port = await freePort()
  let server = await launch()

  async function launch(): Promise<ChildProcess> {
    const all = {
      port: String(port),
      bind: '127.0.0.1',
      unixsocket: socketPath,
      dir,
      appendonly: 'yes',
      appendfsync: 'always',
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
    await answering(socketPath)
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
    url: `redis://127.0.0.1:${port}`,
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
    freeze: () => {
      server.kill('SIGSTOP')
    },
    thaw: () => {
      server.kill('SIGCONT')
    },
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

async function answering(socketPath: string): Promise<void> {
  for (let tries = 0; tries < 500; tries += 1) {
    const reply = await ask(socketPath, ['PING']).catch(() => '')
    if (reply !== '' && !reply.startsWith('-LOADING')) return
    await wait(10)
  }
  throw new Error(`no redis-server answered at ${socketPath} within 5 s`)
}

/** Speaks RESP by hand so that this file needs no client library. */
async function ask(socketPath: string, words: readonly string[]): Promise<string> {
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
