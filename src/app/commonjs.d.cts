import type { BatchClient, BatchError, ClientOptions } from './client.js' with { 'resolution-mode': 'import' }

export type * from './client.js' with { 'resolution-mode': 'import' }
export function openBatchClient(options?: ClientOptions): Promise<BatchClient>
export function isBatchError(error: unknown): error is BatchError
