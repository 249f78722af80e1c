import { readFile, realpath } from 'node:fs/promises'
import { connect } from 'node:net'
import { silentLogger } from '../../src/domain/logger.js'
import { stateOf } from '../../src/queue/private-redis/redis-socket.js'
import { serverFiles } from '../../src/queue/private-redis/server-files.js'
import { openSearchQueue, type SearchQueue } from '../../src/queue/search-queue.js'

/** Breaks the private Redis of a data directory. The workers start it again. */
export interface RedisControl {
  /** False: Redis is not running. */
  signal(signal: 'SIGKILL' | 'SIGTERM'): Promise<boolean>
  flush(): Promise<boolean>
  /** Opens the queue for `use`. Null: Redis is not running, or did not answer in time. */
  withQueue<T>(use: (queue: SearchQueue) => Promise<T>): Promise<T | null>
}

export async function redisControl(dataDir: string): Promise<RedisControl> {
  const files = serverFiles(await realpath(dataDir))
  return {
    async signal(signal) {
      const pid = Number((await readFile(files.pidFile, 'utf8').catch(() => '')).trim())
      const now = await stateOf(files.socketPath)
      if (now.state === 'absent' || !Number.isInteger(pid) || pid < 2) return false
      try {
        return process.kill(pid, signal)
      } catch {
        return false
      }
    },
    flush: async () => (await send(files.socketPath, 'FLUSHALL')).startsWith('+OK'),
    async withQueue(use) {
      if ((await stateOf(files.socketPath)).state !== 'up') return null
      let queue: SearchQueue | null = null
      try {
        queue = await openSearchQueue({ connection: files, log: silentLogger, patienceMs: 2000 })
        return await inTime(use(queue), 5000)
      } catch {
        return null
      } finally {
        await inTime(queue?.close() ?? Promise.resolve(), 2000).catch(() => {})
      }
    },
  }
}

/** The pids of all Redis servers that have run in this data directory, from their log. */
export async function serverPids(dataDir: string): Promise<readonly number[]> {
  const { logFile } = serverFiles(await realpath(dataDir))
  const log = await readFile(logFile, 'utf8').catch(() => '')
  return [...new Set([...log.matchAll(/^(\d+):[A-Z] /gm)].map((match) => Number(match[1])))]
}

/** If Redis is killed during `work`, its client would wait until Redis is back. */
async function inTime<T>(work: Promise<T>, ms: number): Promise<T> {
  let alarm: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    alarm = setTimeout(() => reject(new Error(`no result within ${ms} ms`)), ms)
  })
  return Promise.race([work, late]).finally(() => clearTimeout(alarm))
}

/** Sends one command. @returns the beginning of the reply; empty if there is none */
function send(socketPath: string, command: string): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(socketPath, () => socket.write(`${command}\r\n`))
    const finish = (reply: string): void => {
      clearTimeout(alarm)
      socket.destroy()
      resolve(reply)
    }
    const alarm = setTimeout(() => finish(''), 2000)
    socket.on('data', (chunk) => finish(chunk.toString()))
    socket.on('error', () => finish(''))
    socket.on('close', () => finish(''))
  })
}
