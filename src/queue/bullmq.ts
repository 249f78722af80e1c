import { createRequire } from 'node:module'

/**
 * BullMQ, loaded by `require`: 170 CommonJS files, which `import` parses for their exports before Node
 * parses them again. It would be a fifth of the time that `status` takes.
 */
export const { DelayedError, MetricsTime, Queue, UnrecoverableError, WaitingError, Worker } = createRequire(
  import.meta.url,
)('bullmq') as typeof import('bullmq')
export type { Job } from 'bullmq'
export type Queue = import('bullmq').Queue
export type Worker = import('bullmq').Worker
