import { describe, expect, test } from '@jest/globals'
import type { FaultAction, FaultRule } from '../../src/simulator/faults.js'
import { isDone, readLedger, untilDone } from '../support/ledger.js'
import { type ReadLog, type SystemUnderTest, withSystem } from '../support/system-under-test.js'
import { until } from '../support/until.js'

/**
 * One search that the API never answers, among others that it does: the others are tagged in the usual time and lose no
 * attempt, the queue is not paused, and that one ends as a dead letter with the API's words.
 */
const ROWS = 24
const BAD = 'scene 4 '
const TIMEOUT_MS = 240_000

interface DeadLetter {
  readonly query: string
  readonly status: number | null
  readonly error: string
  readonly message: string | null
  readonly remedy: string
}

interface Case {
  readonly does: FaultAction
  readonly calls: readonly [min: number, max: number]
  readonly letter: Partial<DeadLetter>
  /** Attempts that it uses itself. */
  readonly failures?: number
  /** Calls that may have cost a credit. */
  readonly unknown?: number
}

const OWN = { error: 'Not this one', message: 'This search is special' }
const SECOND = { 'retry-after': '1' }

const CASES: readonly [claim: string, Case][] = [
  [
    '402 although the account has credits',
    { does: { status: 402, body: OWN }, calls: [5, 25], letter: { status: 402, ...OWN } },
  ],
  [
    '402 with a Retry-After',
    { does: { status: 402, body: OWN, headers: SECOND }, calls: [5, 25], letter: { status: 402, ...OWN } },
  ],
  ['429', { does: { status: 429, body: OWN, headers: SECOND }, calls: [4, 25], letter: { status: 429, ...OWN } }],
  [
    '403 with a Retry-After',
    { does: { status: 403, body: OWN, headers: SECOND }, calls: [4, 25], letter: { status: 403, ...OWN } },
  ],
  [
    '401 although the key is good',
    { does: { status: 401, body: OWN }, calls: [1, 1], letter: { status: 401, ...OWN } },
  ],
  ['no answer', { does: 'hang', calls: [3, 3], letter: { status: null }, failures: 3, unknown: 3 }],
  ['500', { does: { status: 500, body: OWN }, calls: [3, 3], letter: { status: 500, ...OWN }, failures: 3 }],
  [
    '503 with a Retry-After',
    { does: { status: 503, body: OWN, headers: SECOND }, calls: [3, 3], letter: { status: 503, ...OWN }, failures: 3 },
  ],
  [
    'an answer that is too large',
    { does: { status: 200, body: 'x'.repeat(9_000_000) }, calls: [1, 1], letter: { status: 200 } },
  ],
]

/** GET /me took longer than a worker waits for it: then it pauses, rightly, and this night shows nothing. */
class TooBusy extends Error {}

async function playNight(
  play: (system: SystemUnderTest) => Promise<void>,
  { faults, env = {} }: { readonly faults: readonly FaultRule[]; readonly env?: Record<string, string> },
  triesLeft = 2,
): Promise<void> {
  const options = {
    simulator: { noMatchRate: 0, latencyMs: 10, faults },
    env: { TRACKYARD_MAX_ATTEMPTS: '3', TRACKYARD_CREDIT_CHECK_MS: '500', ...env },
  }
  try {
    await withSystem(options, play)
  } catch (error) {
    if (!(error instanceof TooBusy) || triesLeft === 0) throw error
    await playNight(play, { faults, env }, triesLeft - 1)
  }
}

async function untilDoneOrTooBusy(system: SystemUnderTest, worker: ReadLog): Promise<void> {
  const isTooBusy = () => worker.logged('api.account_check_failed').length > 0
  await until(() => isTooBusy() || isDone(system), {
    timeoutMs: 100_000,
    what: 'an outcome of every search',
    everyMs: 100,
  })
  if (isTooBusy()) throw new TooBusy(`a worker could not ask for its account; its log:\n${worker.stderr()}`)
}

const callsFor = (system: SystemUnderTest, query: string) =>
  system.simulator.calls().filter((call) => call.query.startsWith(query))

export function testOneRefused(slots: number): void {
  describe(`with ${slots} slots, one search that is always answered with`, () => {
    test.concurrent.each(CASES)(
      '%s: the others are tagged, and it is a dead letter',
      async (_, { does, calls, letter, failures = 0, unknown = 0 }) => {
        await playNight(
          async (system) => {
            await system.submit(ROWS)
            const worker = await system.worker()
            await untilDoneOrTooBusy(system, worker)
            expect((await system.exported()).map(({ id, status }) => ({ id, status }))).toEqual(
              Array.from({ length: ROWS }, (_, index) => ({
                id: `r${index + 1}`,
                status: index === 4 ? 'dead' : 'tagged',
              })),
            )
            expect(await system.deadLetters()).toMatchObject([letter])
            expect(readLedger(system)).toMatchObject({ failures })
            expect(readLedger(system).calls.unknown ?? 0).toBe(unknown)
            const own = callsFor(system, BAD).length
            expect(own).toBeGreaterThanOrEqual(calls[0])
            expect(own).toBeLessThanOrEqual(calls[1])
            expect(system.simulator.calls()).toHaveLength(ROWS - 1 + own)
            expect(system.simulator.paidTwice()).toEqual([])
            for (const event of ['queue.paused', 'notification.created']) {
              expect(worker.logged(event).filter(({ msg }) => /paused/i.test(msg))).toEqual([])
            }
            const { queue } = await system.status()
            expect(queue).toMatchObject({ state: 'idle', causes: [], dead_letters: 1 })
          },
          {
            faults: [{ match: BAD, does }],
            env: {
              TRACKYARD_CONCURRENCY: String(slots),
              // Long enough that a busy machine is not taken for a server that hangs.
              ...(does === 'hang' ? { TRACKYARD_REQUEST_TIMEOUT_MS: '8000' } : {}),
            },
          },
        )
      },
      TIMEOUT_MS,
    )
  })
}

const withStatus = (match: string, status: number): FaultRule => ({
  match,
  does: { status, body: OWN, ...(status === 402 ? {} : { headers: SECOND }) },
})

export function testSomeRefused(slots: number): void {
  describe(`with ${slots} slots`, () => {
    const env = { TRACKYARD_CONCURRENCY: String(slots) }

    test.concurrent.each([402, 429])(
      'ten of 200 that are always answered %i end as dead letters',
      async (status) => {
        await playNight(
          async (system) => {
            await system.submit(200)
            await system.worker()
            await untilDone(system, 200_000)
            const rows = await system.exported()
            const dead = rows.filter((row) => row.status === 'dead').map((row) => row.id)
            expect(dead).toEqual(Array.from({ length: 10 }, (_, index) => `r${index * 20 + 5}`))
            expect(rows.filter((row) => row.status === 'tagged')).toHaveLength(190)
            expect(readLedger(system)).toMatchObject({ failures: 0 })
            expect(system.simulator.paid()).toBe(190)
          },
          { faults: [withStatus(BAD, status), withStatus('/^scene \\d*[02468]4 /', status)], env },
        )
      },
      TIMEOUT_MS,
    )

    test.concurrent.each(['scene 0 ', 'scene 23 '])(
      'a 402 is a dead letter in the first place as in the last: %s',
      async (match) => {
        await playNight(
          async (system) => {
            await system.submit(ROWS)
            await system.worker()
            await untilDone(system)
            expect((await system.exported()).filter(({ status }) => status === 'tagged')).toHaveLength(ROWS - 1)
            expect((await system.status()).queue).toMatchObject({ dead_letters: 1, causes: [] })
          },
          { faults: [withStatus(match, 402)], env },
        )
      },
      TIMEOUT_MS,
    )

    test.concurrent(
      'a limit that hits half of all calls makes no dead letter',
      async () => {
        await playNight(
          async (system) => {
            await system.submit(ROWS)
            await system.worker()
            await untilDone(system)
            expect((await system.exported()).every(({ status }) => status === 'tagged')).toBe(true)
            expect(readLedger(system)).toMatchObject({ failures: 0 })
            expect(system.simulator.calls().filter(({ status }) => status === 429).length).toBeGreaterThan(5)
          },
          { faults: [{ rate: 0.5, does: { status: 429, headers: SECOND } }], env },
        )
      },
      TIMEOUT_MS,
    )

    test.concurrent(
      'a 402 that GET /me cannot check pauses until it can',
      async () => {
        await playNight(
          async (system) => {
            await system.submit(ROWS)
            // A worker asks once when it starts.
            system.simulator.fail({ endpoint: 'me', skip: 1, timesInTotal: 2, does: { status: 429 } })
            const worker = await system.worker()
            await worker.waitForEvent('notification.created', { text: /Paused: no credits left/ })
            await untilDone(system)
            expect((await system.exported()).filter(({ status }) => status === 'tagged')).toHaveLength(ROWS - 1)
            expect((await system.status()).queue).toMatchObject({ dead_letters: 1, causes: [] })
          },
          { faults: [withStatus('scene 0 ', 402)], env },
        )
      },
      TIMEOUT_MS,
    )
  })
}
