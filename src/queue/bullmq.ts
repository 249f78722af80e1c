import { createRequire } from 'node:module'
import type { Queue } from 'bullmq'
import type { RedisClient } from './redis-client.js'

/**
 * BullMQ, loaded when it is first needed: `status` can do without, and it would be a quarter of the time that it takes. By
 * `require`, since it is 170 CommonJS files, which `import` parses for their exports before Node parses them again.
 */
export function bullmq(): typeof import('bullmq') {
  loaded ??= createRequire(import.meta.url)('bullmq') as typeof import('bullmq')
  return loaded
}

let loaded: typeof import('bullmq') | null = null

/** One of BullMQ's queues. It is opened when it is first used; its keys are known without. */
export interface LazyQueue {
  readonly bull: () => Queue
  readonly key: (name: string) => string
  /** The shared connection, for what BullMQ has no command for. */
  readonly redis: RedisClient
  close(): Promise<void>
}

/** On the shared connection, which has been checked already. Skips BullMQ's version check, because it prints. */
export function lazyQueue(name: string, prefix: string, redis: RedisClient): LazyQueue {
  let queue: Queue | null = null
  const open = (): Queue => {
    const opened = new (bullmq().Queue)(name, { connection: redis, prefix, skipVersionCheck: true })
    // The connection logs outages once; a command's own error is thrown to its caller.
    opened.on('error', () => {})
    return opened
  }
  return {
    bull: () => {
      queue ??= open()
      return queue
    },
    key: (of) => `${prefix}:${name}:${of}`,
    redis,
    close: async () => queue?.close(),
  }
}
