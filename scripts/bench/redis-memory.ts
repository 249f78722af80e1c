import { ask } from '../../src/queue/private-redis/redis-socket.js'

/** From Redis's INFO. */
export interface RedisMemory {
  readonly usedBytes: number
  /** Keys in database 0; nearly all of them are jobs. */
  readonly keys: number
}

export async function redisMemory(socketPath: string): Promise<RedisMemory> {
  const info = await ask(socketPath, 'INFO')
  if (!info.startsWith('$')) throw new Error(`The private Redis did not answer INFO: ${info}`)
  const number = (pattern: RegExp): number => Number(pattern.exec(info)?.[1] ?? 0)
  return { usedBytes: number(/^used_memory:(\d+)/m), keys: number(/^db0:keys=(\d+)/m) }
}
