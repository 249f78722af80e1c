import { createRequire } from 'node:module'

/** ioredis, loaded by `require`: 45 CommonJS files, which `import` parses for their exports before Node parses them again. */
export const { Cluster, Redis, SentinelConnector } = createRequire(import.meta.url)(
  'ioredis',
) as typeof import('ioredis')
export type Cluster = import('ioredis').Cluster
export type Redis = import('ioredis').Redis
export type SentinelConnector = import('ioredis').SentinelConnector
