import { systemClock } from '../../src/domain/clock.js'
import { ACCOUNT_UNKNOWN } from '../../src/domain/decision.js'
import {
  createSearchProcessor,
  type SearchParts,
  type SearchProcessor,
  type SearchRules,
} from '../../src/processing/process-search.js'

/** The rules of a worker in these tests. */
const RULES: SearchRules = {
  maxAttempts: 3,
  backoff: { baseMs: 1000, maxMs: 8000 },
  requestTimeoutMs: 2000,
  creditReserve: 0,
  apiUrl: 'http://127.0.0.1',
}

/** For tests without GET /me and without other users of the key. */
const ALONE: Pick<SearchParts, 'checkAccount' | 'heard'> = {
  checkAccount: async () => ACCOUNT_UNKNOWN,
  heard: () => {},
}

/** A processor with the rules above, alone. @param more replaces parts */
export function openProcessor(
  { store, api, log }: Pick<SearchParts, 'store' | 'api' | 'log'>,
  rules: Partial<SearchRules> = {},
  more: Partial<SearchParts> = {},
): SearchProcessor {
  return createSearchProcessor({
    ...{ store, api, log, ...ALONE },
    clock: systemClock,
    random: () => 0.5,
    rules: { ...RULES, ...rules },
    ...more,
  })
}
