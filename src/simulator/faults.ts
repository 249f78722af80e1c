import { repeatableRandom } from './repeatable-random.js'
import { isRecord } from './search-request.js'

/** The active rules, and how many calls each has matched. */
export interface Faults {
  /** @returns the rule's id. @throws TypeError when the rule makes no sense, SyntaxError for a broken pattern. */
  add(rule: FaultRule): string
  /** Removes one rule, or all. @returns whether there was one */
  clear(id?: string): boolean
  /** The first rule that applies to this call, which counts as matched. `canonical` is empty for /me and /usage. */
  match(endpoint: 'search' | 'me' | 'usage', query: string, canonical: string): (FaultRule & { id: string }) | null
}

interface ActiveRule {
  readonly rule: FaultRule & { id: string }
  readonly matches: (query: string) => boolean
  readonly seenPerSearch: Map<string, number>
  seen: number
}

export function createFaults(seed: number, rules: readonly FaultRule[]): Faults {
  let active: ActiveRule[] = []
  let named = 0
  const faults: Faults = {
    add(given) {
      const rule = checkFaultRule(given)
      named += 1
      const id = rule.id ?? `fault-${named}`
      active.push({ rule: { ...rule, id }, matches: matcher(rule.match), seenPerSearch: new Map(), seen: 0 })
      return id
    },
    clear(id) {
      const before = active.length
      active = id === undefined ? [] : active.filter((entry) => entry.rule.id !== id)
      return active.length < before
    },
    match(endpoint, query, canonical) {
      for (const entry of active) {
        if ((entry.rule.endpoint ?? 'search') !== endpoint || !entry.matches(query)) continue
        if (applies(entry, canonical, seed)) return entry.rule
      }
      return null
    },
  }
  for (const rule of rules) faults.add(rule)
  return faults
}

function applies(entry: ActiveRule, canonical: string, seed: number): boolean {
  const { id, skip = 0, times, timesInTotal, rate } = entry.rule
  entry.seen += 1
  if (entry.seen <= skip) return false
  if (timesInTotal !== undefined && entry.seen > skip + timesInTotal) return false
  if (times === undefined && rate === undefined) return true
  const seen = (entry.seenPerSearch.get(canonical) ?? 0) + 1
  entry.seenPerSearch.set(canonical, seen)
  if (times !== undefined && seen > times) return false
  return rate === undefined || repeatableRandom(seed, id, canonical, seen) < rate
}

function matcher(match: string | RegExp | undefined): (query: string) => boolean {
  if (match === undefined || match === '') return () => true
  const written = typeof match === 'string' ? /^\/(.+)\/([a-z]*)$/s.exec(match) : null
  if (typeof match === 'string' && written === null) {
    const part = match.toLowerCase()
    return (query) => query.toLowerCase().includes(part)
  }
  // Without g and y, whose lastIndex would make every second test fail.
  const source = match instanceof RegExp ? match.source : (written?.[1] ?? '')
  const flags = match instanceof RegExp ? match.flags : (written?.[2] ?? '')
  const pattern = new RegExp(source, flags.replace(/[gy]/g, ''))
  return (query) => pattern.test(query)
}

/**
 * A fault that the simulator injects. A rule says which calls (`endpoint`, `match`), how many of them
 * (`times`, `timesInTotal`, `rate`), what happens (`does`), and whether a credit is taken (`charged`).
 */
export interface FaultRule {
  /** Its name in the log, and for removing it. Default: `fault-1`, … */
  readonly id?: string
  /** Default: search. */
  readonly endpoint?: 'search' | 'me' | 'usage'
  /** Part of the query (letter case ignored), a RegExp, or '/…/flags' as JSON. Default: every query. */
  readonly match?: string | RegExp
  /** Skips this many matching calls first. */
  readonly skip?: number
  /** Applies to this many matching calls of each search. */
  readonly times?: number
  /** Applies to this many matching calls in total. */
  readonly timesInTotal?: number
  /** Applies to this share of the calls, 0 to 1, chosen by the seed. */
  readonly rate?: number
  readonly does: FaultAction
  /** For `late`: how long, default 1,000. For `drip`: between two bytes, default 100. For a status: its Retry-After. */
  readonly ms?: number
  /** Whether a credit is taken. Default: by the option `chargeRule`. */
  readonly charged?: boolean
}

export type FaultAction = FaultStatus | FaultKind

/** Any status. Without a body it has the documented one. A `headers` value replaces the usual one. */
export interface FaultStatus {
  readonly status: number
  readonly body?: string | Readonly<Record<string, unknown>>
  readonly headers?: Readonly<Record<string, string>>
}

export const FAULT_KINDS = [
  'hang',
  'cut',
  'cut in the answer',
  'html',
  'truncated',
  'empty',
  'drip',
  'not the shape',
  'late',
] as const
/**
 * - `hang`: no answer, ever. `cut`: the connection is destroyed before a byte of the answer.
 * - `cut in the answer`: half of the promised bytes, then destroyed. `truncated`: a complete response whose JSON stops half-way.
 * - `html`, `empty`, `not the shape`: a 200 with a web page, with nothing, with other JSON.
 * - `drip`: the right answer, byte by byte. `late`: the right answer, after a while.
 */
export type FaultKind = (typeof FAULT_KINDS)[number]

/** Rules may come as JSON. @throws TypeError with what was expected */
export function checkFaultRule(value: unknown): FaultRule {
  if (!isRecord(value)) throw new TypeError('fault rule: expected an object')
  const { id, endpoint, match, skip, times, timesInTotal, rate, does, ms, charged } = value
  expectThat(id === undefined || typeof id === 'string', 'id', 'a string', id)
  expectThat(endpoint === undefined || isEndpoint(endpoint), 'endpoint', 'search, me or usage', endpoint)
  expectThat(
    match === undefined || typeof match === 'string' || match instanceof RegExp,
    'match',
    'a text or RegExp',
    match,
  )
  expectThat(isCount(skip), 'skip', 'a number, 0 or more', skip)
  expectThat(isCount(times), 'times', 'a number, 0 or more', times)
  expectThat(isCount(timesInTotal), 'timesInTotal', 'a number, 0 or more', timesInTotal)
  expectThat(isCount(rate) && Number(rate ?? 0) <= 1, 'rate', 'a number from 0 to 1', rate)
  expectThat(isCount(ms), 'ms', 'milliseconds, 0 or more', ms)
  expectThat(charged === undefined || typeof charged === 'boolean', 'charged', 'true or false', charged)
  expectThat(isAction(does), 'does', `{ status } or one of: ${FAULT_KINDS.join(', ')}`, does)
  return value as unknown as FaultRule
}

function expectThat(holds: boolean, field: string, expected: string, got: unknown): void {
  if (!holds) throw new TypeError(`fault rule, ${field}: expected ${expected}, found ${JSON.stringify(got)}`)
}

function isEndpoint(value: unknown): boolean {
  return value === 'search' || value === 'me' || value === 'usage'
}

function isCount(value: unknown): boolean {
  return value === undefined || (typeof value === 'number' && value >= 0)
}

function isAction(value: unknown): boolean {
  if (isRecord(value))
    return Number.isInteger(value.status) && Number(value.status) >= 200 && Number(value.status) < 600
  return FAULT_KINDS.some((kind) => kind === value)
}
