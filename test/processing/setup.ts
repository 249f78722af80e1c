import type { SearchRules } from '../../src/processing/process-search.js'

/** The rules of a worker in these tests. */
export const RULES: SearchRules = {
  maxAttempts: 3,
  backoff: { baseMs: 1000, maxMs: 8000 },
  requestTimeoutMs: 2000,
  creditReserve: 0,
  apiUrl: 'http://127.0.0.1',
}
