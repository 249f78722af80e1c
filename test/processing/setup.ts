import { ACCOUNT_UNKNOWN } from '../../src/domain/decision.js'
import type { SearchParts, SearchRules } from '../../src/processing/process-search.js'

/** The rules of a worker in these tests. */
export const RULES: SearchRules = {
  maxAttempts: 3,
  backoff: { baseMs: 1000, maxMs: 8000 },
  requestTimeoutMs: 2000,
  creditReserve: 0,
  apiUrl: 'http://127.0.0.1',
}

/** For tests without GET /me and without other users of the key. */
export const ALONE: Pick<SearchParts, 'checkAccount' | 'heard'> = {
  checkAccount: async () => ACCOUNT_UNKNOWN,
  heard: () => {},
}
