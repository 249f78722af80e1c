import { expect, test } from '@jest/globals'
import { remedyFor } from '../../src/domain/dead-letter.js'
import { CALL_OUTCOMES, isCharged, ledgerOutcome } from '../../src/domain/outcome.js'
import { deadLetterIdOf, jobIdOf, parseJobId } from '../../src/domain/search-id.js'
import { rowStatus } from '../../src/domain/states.js'

const ref = { fingerprint: '0123456789abcdef0123456789abcdef', generation: 2, round: 13 }

test('a job id names the round of a search and can be parsed', () => {
  expect(jobIdOf(ref)).toBe('s-0123456789abcdef0123456789abcdef-2-13')
  expect(parseJobId(jobIdOf(ref))).toEqual(ref)
  expect(parseJobId(deadLetterIdOf(ref))).toEqual(ref)
})

test.each([
  '',
  '1',
  's-12-1-1',
  's-0123456789abcdef0123456789abcdef-1',
  'x-0123456789abcdef0123456789abcdef-1-1',
  's-0123456789ABCDEF0123456789abcdef-1-1',
])('a job id that is not ours is nobody: %p', (id) => {
  expect(parseJobId(id)).toBeNull()
})

test('only what was paid, perhaps paid or is in flight stays charged', () => {
  expect(CALL_OUTCOMES.filter(isCharged)).toEqual(['sent', 'unknown', 'answered', 'unreadable'])
})

test('a failure after sending is of unknown outcome, one before is free', () => {
  const failure = { kind: 'transient', reason: 'x', status: null, refusal: null, retryAfterMs: null } as const
  expect(ledgerOutcome({ ...failure, maybePaid: true })).toBe('unknown')
  expect(ledgerOutcome({ ...failure, maybePaid: false })).toBe('transient')
})

test('every status has a remedy that says what to do', () => {
  for (let status = 400; status < 500; status++) expect(remedyFor(status)).toMatch(/\.$/)
})

const unasked = { problem: null, batchState: 'released', withheld: false } as const
test.each([
  ['tagged', { ...unasked, search: { state: 'answered', tracks: 3 } }],
  ['no_match', { ...unasked, search: { state: 'answered', tracks: 0 } }],
  ['dead', { ...unasked, search: { state: 'dead', tracks: null } }],
  ['invalid', { ...unasked, problem: 'line 3: no query', search: null }],
  ['withheld', { ...unasked, withheld: true, search: { state: 'waiting', tracks: null } }],
  ['waiting', { ...unasked, search: { state: 'waiting', tracks: null } }],
  ['waiting', { ...unasked, search: { state: 'queued', tracks: null } }],
  ['cancelled', { ...unasked, batchState: 'cancelled', search: { state: 'queued', tracks: null } }],
  ['tagged', { ...unasked, batchState: 'cancelled', search: { state: 'answered', tracks: 1 } }],
] as const)('a row is %s exactly when the record says so (%#)', (status, item) => {
  expect(rowStatus(item)).toBe(status)
})
