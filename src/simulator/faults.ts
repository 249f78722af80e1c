import { chance } from './chance.js'
import { checkFaultRule, type FaultRule } from './fault-rule.js'

/** The rules in force, and how often each has struck. */
export interface Faults {
  /** @returns the rule's id. @throws TypeError when the rule makes no sense, SyntaxError for a broken pattern. */
  add(rule: FaultRule): string
  /** @returns whether anything was healed. Without an id: everything. */
  heal(id?: string): boolean
  /** The first rule that applies to this call, counted as having struck. `canonical` is empty for /me and /usage. */
  strike(endpoint: 'search' | 'me' | 'usage', query: string, canonical: string): (FaultRule & { id: string }) | null
}

interface Standing {
  readonly rule: FaultRule & { id: string }
  readonly matches: (query: string) => boolean
  readonly seenPerSearch: Map<string, number>
  seen: number
}

export function createFaults(seed: number, rules: readonly FaultRule[]): Faults {
  let standing: Standing[] = []
  let named = 0
  const faults: Faults = {
    add(given) {
      const rule = checkFaultRule(given)
      named += 1
      const id = rule.id ?? `fault-${named}`
      standing.push({ rule: { ...rule, id }, matches: matcher(rule.match), seenPerSearch: new Map(), seen: 0 })
      return id
    },
    heal(id) {
      const before = standing.length
      standing = id === undefined ? [] : standing.filter((entry) => entry.rule.id !== id)
      return standing.length < before
    },
    strike(endpoint, query, canonical) {
      for (const entry of standing) {
        if ((entry.rule.endpoint ?? 'search') !== endpoint || !entry.matches(query)) continue
        if (strikes(entry, canonical, seed)) return entry.rule
      }
      return null
    },
  }
  for (const rule of rules) faults.add(rule)
  return faults
}

function strikes(entry: Standing, canonical: string, seed: number): boolean {
  const { id, skip = 0, times, timesInTotal, rate } = entry.rule
  entry.seen += 1
  if (entry.seen <= skip) return false
  if (timesInTotal !== undefined && entry.seen > skip + timesInTotal) return false
  if (times === undefined && rate === undefined) return true
  const seen = (entry.seenPerSearch.get(canonical) ?? 0) + 1
  entry.seenPerSearch.set(canonical, seen)
  if (times !== undefined && seen > times) return false
  return rate === undefined || chance(seed, id, canonical, seen) < rate
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
