import { readFile, realpath } from 'node:fs/promises'
import { silentLogger } from '../../src/domain/logger.js'
import { settledWithin, withTimeout } from '../../src/domain/with-timeout.js'
import { ask, stateOf } from '../../src/queue/private-redis/redis-socket.js'
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
    flush: async () => (await ask(files.socketPath, 'FLUSHALL')).startsWith('+OK'),
    async withQueue(use) {
      if ((await stateOf(files.socketPath)).state !== 'up') return null
      let queue: SearchQueue | null = null
      try {
        queue = await openSearchQueue({ connection: files, log: silentLogger, patienceMs: 2000 })
        // If Redis is killed meanwhile, its client would wait until it is back.
        return await withTimeout(5000, use(queue), 'Redis did not answer in time')
      } catch {
        return null
      } finally {
        if (queue !== null) await settledWithin(2000, queue.close())
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
