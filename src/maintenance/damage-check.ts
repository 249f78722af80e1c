import { execFile } from 'node:child_process'
import { statSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { ConfigurationError } from '../domain/errors.js'
import type { Logger } from '../domain/logger.js'
import { type TimedCheck, timedCheck } from '../store/sqlite/check-store.js'
import { damageSentence } from '../store/sqlite/explain-error.js'
import type { Store } from '../store/store.js'
import type { MaintenanceTask } from './scheduler.js'

/**
 * Checks the whole store for damage: when a worker starts, and again after each write to the file
 * (we write to it once per 16 MiB of WAL). SQLite notices damage only where it reads, and it serves
 * much of a store from its cache. A million rows with 300,000 answers (1.5 GB) take 4 s, or 20 s
 * from a cold disk. So a child process does it, except for a small store, and it runs at most 1 % of
 * the time, without the start of that process.
 */

const CHECK_EVERY_MS = 2000
const SHORTEST_REST_MS = 2000
/** The rest after a check, as a multiple of its duration without the start of its process. */
const REST_FACTOR = 100
/** In bytes. So much takes this process 10 ms, or 50 ms from a cold disk; to start a child takes 150 ms. */
const SMALL_STORE = 4 * 1024 * 1024
/** For a lock on a small store, since this process waits for it without a break. */
const SMALL_WAITS_MS = 1000
/** A start waits no longer than this. Damage found later stops the calls. */
const START_WAITS_MS = 3000

const ENTRY = fileURLToPath(new URL('../../workers/check-store.js', import.meta.url))

/** @throws ConfigurationError if damage is found within the time that a start waits */
export async function startDamageCheck({
  store,
  log,
  stopping,
}: {
  readonly store: Pick<Store, 'path' | 'writeFailure' | 'reportDamage'>
  readonly log: Logger
  /** Ends the child process. */
  readonly stopping: AbortSignal
}): Promise<MaintenanceTask> {
  let problem: string | null = null
  let writtenAt = Number.NaN
  let nextAt = 0

  async function check(): Promise<void> {
    if (store.writeFailure() !== null || performance.now() < nextAt || timeOfWrite(store.path) === writtenAt) return
    const fileTime = timeOfWrite(store.path)
    // One check at a time.
    nextAt = Number.POSITIVE_INFINITY
    const startedAt = performance.now()
    let tookMs: number
    try {
      const isSmall = (statSync(store.path, { throwIfNoEntry: false })?.size ?? 0) <= SMALL_STORE
      const found = isSmall ? timedCheck(store.path, SMALL_WAITS_MS) : await checkInChild(store.path, stopping)
      problem = found.problem
      tookMs = found.tookMs
      writtenAt = fileTime
    } catch (error) {
      tookMs = performance.now() - startedAt
      if (!stopping.aborted)
        log.warn(
          { event: 'store.check_failed', err: error, repeats: true },
          'could not check the store for damage; trying again',
        )
    }
    nextAt = performance.now() + Math.max(SHORTEST_REST_MS, REST_FACTOR * tookMs)
    if (problem !== null) store.reportDamage(problem)
  }

  await Promise.race([check(), sleep(START_WAITS_MS, undefined, { signal: stopping, ref: false })])
  if (problem !== null) throw new ConfigurationError(damageSentence(store.path, problem))
  return { name: 'check the store for damage', everyMs: CHECK_EVERY_MS, restsFirst: true, run: check }
}

/** The child gets an empty environment: it needs no setting and must not see a secret. */
async function checkInChild(path: string, signal: AbortSignal): Promise<TimedCheck> {
  const { stdout } = await promisify(execFile)(process.execPath, [ENTRY, path], { signal, env: {} })
  return JSON.parse(stdout) as TimedCheck
}

function timeOfWrite(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? Number.NaN
}
